"""Where the book shows the runs of an experiment: headings of its pages, found in their sources.

A page says under its tables and figures which runs they show, by ``source("mnist", "resnet")`` in a
cell of its own (see ``nodebook.figures.sources``). The nearest heading above is the place. Where no
page says so of the runs that a claim rests on, the first that names the experiment in its code is.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jupytext
from docutils.nodes import make_id

from nodebook import paths
from nodebook.evidence import registry
from nodebook.evidence.ledger import Claim

HEADING = re.compile(r"^#{2,4} +(.+?) *$", re.MULTILINE)
FENCE = re.compile(r"^(`{3,}|:{3,}).*?^\1`*:* *$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r'\bsource\(\s*"(\w+)"((?:,\s*"[^"]+")*)')
WORD = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Place:
    """A heading of a page under which runs are shown; of all variants if none is named.

    ``said``: by a line under a table or figure, not only by the code.
    """

    page: str
    title: str
    variants: tuple[str, ...] = ()
    said: bool = True

    @property
    def number(self) -> str:
        """Number of the page, "07a"."""
        return self.page.removeprefix("notebooks/").partition("_")[0]

    @property
    def target(self) -> str:
        """The page with the heading's anchor."""
        return f"{self.page}.html#{make_id(self.title)}"


def places(pages: Iterable[str]) -> Mapping[str, tuple[Place, ...]]:
    """The places of each experiment, on pages such as "notebooks/07_mnist" that are notebooks."""
    experiments = frozenset(registry.names())
    found: dict[str, dict[Place, None]] = {}
    for page in pages:
        source = paths.root() / f"{page}.py"
        if source.is_file():
            for experiment, place in _named(source, page, experiments):
                found.setdefault(experiment, {})[place] = None
    return {experiment: tuple(of) for experiment, of in found.items()}


def of(claim: Claim, known: Mapping[str, tuple[Place, ...]]) -> tuple[Place, ...]:
    """The places that show a claim's evidence, those of its own chapters if there are any."""
    if not claim.evidence:
        return ()
    variant = claim.evidence.get("variant")
    fitting = [
        place
        for place in known.get(claim.evidence["experiment"], ())
        if not (variant and place.variants) or variant in place.variants
    ]
    own = [place for place in fitting if place.number[:2] in claim.chapters] or fitting
    said = [place for place in own if place.said] or own[:1]
    return tuple({(place.page, place.title): place for place in said}.values())


def _named(source: Path, page: str, experiments: Collection[str]) -> Iterator[tuple[str, Place]]:
    title = ""
    for cell in jupytext.read(source).cells:
        if cell.cell_type == "markdown":
            title = [title, *HEADING.findall(FENCE.sub("", cell.source))][-1]
        elif title:
            for experiment, variants in NAMED.findall(cell.source):
                yield experiment, Place(page, title, tuple(WORD.findall(variants)))
            for word in WORD.findall(cell.source):
                if word in experiments:
                    yield word, Place(page, title, said=False)
