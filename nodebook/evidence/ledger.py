"""The ledger as it is written: claims read from YAML and checked, before any is judged.

The ledger is ``book/claims.yml``; ``claims.schema.json`` says what may stand in it. It has no field
for a verdict on what is tested; a claim about a text is decided by reading, and a claim that is not
tested has a status.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from nodebook import paths
from nodebook.errors import LedgerError
from nodebook.evidence import registry
from nodebook.evidence.summaries import format_value


@dataclass(frozen=True)
class Claim:
    """One sentence, number, figure or formula of a document (fields: ``claims.schema.json``)."""

    id: str
    chapters: tuple[str, ...]
    document: str
    place: str
    statement: str
    kind: str
    theirs: float | str
    unit: str = ""
    paper: float | str | None = None
    original: str = ""
    note: str = ""
    correction: str = ""
    headline: bool = False
    extension: bool = False
    reading: Mapping[str, str] | None = None
    evidence: Mapping[str, str] | None = None
    rule: Mapping[str, Any] | None = None
    status: str = ""
    reason: str = ""
    line: int = field(default=0, compare=False)

    def theirs_text(self) -> str:
        """What the document says, with its unit."""
        return _with_unit(self.theirs, self.unit)

    def paper_text(self) -> str:
        """What the paper says, with the unit; empty where it says nothing."""
        return "" if self.paper is None else _with_unit(self.paper, self.unit)

    def __str__(self) -> str:
        return f"claim {self.id!r} (line {self.line})"


@dataclass(frozen=True)
class Ledger:
    """The claims, with the documents, papers and chapters that they name."""

    documents: Mapping[str, Mapping[str, str]]
    chapters: Mapping[str, str]
    claims: tuple[Claim, ...]
    papers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def sources(self) -> dict[str, Mapping[str, str]]:
        """The documents, and after them the papers."""
        return {**self.documents, **self.papers}

    def of_chapter(self, chapter: str) -> list[Claim]:
        """The claims that a chapter ("02") tests.

        Raises:
            LedgerError: if there is no such chapter in the ledger.
        """
        if chapter not in self.chapters:
            raise LedgerError(
                f"the ledger has no chapter {chapter!r}; it has {', '.join(self.chapters)}"
            )
        return [claim for claim in self.claims if chapter in claim.chapters]


def location() -> Path:
    """Where the ledger is."""
    return paths.root() / "book" / "claims.yml"


def read(path: Path | None = None) -> Ledger:
    """Read and check the ledger.

    Raises:
        LedgerError: naming the claim, its line and the field, if the file is missing or no YAML,
            an entry does not fit the schema, an id stands twice, or a document, chapter or
            experiment does not exist.
    """
    path = path or location()
    try:
        return _parse(path, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LedgerError(f"{path} is missing: restore it from the repository") from None


@functools.cache  # a page asks several times, and YAML takes seconds
def _parse(path: Path, text: str) -> Ledger:
    try:
        entries, lines = yaml.load(text, _UniqueKeys), _claim_lines(text)
    except yaml.YAMLError as error:
        raise LedgerError(f"{path} is no readable YAML: {error}") from error
    _check_frame(entries, path)
    claims: dict[str, Claim] = {}
    for entry, line in zip(entries["claims"], lines, strict=True):
        claim = _claim(entry, line, path)
        if claim.id in claims:
            raise LedgerError(
                f"{path}: {claim}, field id: stands twice, also at line {claims[claim.id].line}"
            )
        _check_names(claim, entries, path)
        claims[claim.id] = claim
    return Ledger(
        entries["documents"],
        entries["chapters"],
        tuple(claims.values()),
        entries.get("papers", {}),
    )


def _with_unit(value: float | str, unit: str) -> str:
    text = value if isinstance(value, str) else format_value(value)
    return f"{text} {unit}" if unit and not isinstance(value, str) else text


def _check_frame(entries: Any, path: Path) -> None:
    frame = {**entries, "claims": []} if isinstance(entries, dict) else entries
    error = jsonschema.exceptions.best_match(_validator().iter_errors(frame))
    if error is not None or not isinstance(entries.get("claims"), list):
        problem = error.message if error else "'claims' must be a list"
        raise LedgerError(f"{path} is no ledger: {problem}")


def _claim(entry: Any, line: int, path: Path) -> Claim:
    name = entry.get("id") if isinstance(entry, dict) else None
    errors = list(_validator("claim").iter_errors(entry))
    if errors:
        error = min(errors, key=lambda e: (e.validator == "oneOf", -len(e.absolute_path), str(e)))
        place = ".".join(str(part) for part in error.absolute_path) or "top level"
        problem = error.message
        if error.validator == "oneOf" and not error.absolute_path:
            problem = (
                "needs either evidence and a rule, or a rule of arithmetic alone, or a reading, or "
                "a status (with a reason unless it is open), and nothing of the others"
            )
        raise LedgerError(f"{path}: claim {name!r} (line {line}), field {place}: {problem}")
    return Claim(**{**entry, "chapters": tuple(entry["chapters"]), "line": line})


def _check_names(claim: Claim, entries: Mapping[str, Any], path: Path) -> None:
    if claim.document not in {**entries["documents"], **entries.get("papers", {})}:
        raise LedgerError(f"{path}: {claim}, field document: {claim.document!r} is not declared")
    for chapter in claim.chapters:
        if chapter not in entries["chapters"]:
            raise LedgerError(f"{path}: {claim}, field chapters: {chapter!r} is not declared")
    if claim.evidence and claim.evidence["experiment"] not in registry.names():
        raise LedgerError(
            f"{path}: {claim}, field evidence.experiment: there is no experiment "
            f"{claim.evidence['experiment']!r}; there are {', '.join(registry.names())}"
        )


@functools.cache
def _validator(definition: str | None = None) -> jsonschema.Draft202012Validator:
    text = (
        resources.files("nodebook.evidence")
        .joinpath("claims.schema.json")
        .read_text(encoding="utf-8")
    )
    schema = json.loads(text)
    if definition is not None:
        schema = {"$defs": schema["$defs"], "$ref": f"#/$defs/{definition}"}
    return jsonschema.Draft202012Validator(schema)


def _claim_lines(text: str) -> list[int]:
    node = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return []
    for key, value in node.value:
        if key.value == "claims" and isinstance(value, yaml.SequenceNode):
            return [entry.start_mark.line + 1 for entry in value.value]
    return []


class _UniqueKeys(yaml.SafeLoader):
    """YAML without the habit of letting a later key silently replace an earlier one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
