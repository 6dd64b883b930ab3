"""Decide whether an execution is still good, by the content of everything it used.

The key covers the notebook's source, the library, the parameters and the lock; the data, recorded
runs and claims that the notebook read are noted while it runs (``nodelib.trace``) and compared
each by its own fingerprint.
"""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from nodebook import paths
from nodebook.evidence import claims, results, surroundings
from nodebook.press.runner import Job, Result
from nodelib import __version__, data, files, trace
from nodelib.errors import NodelibError

SHOWN_VERSIONS = ("torch", "numpy", "wfdb")


@dataclass(frozen=True)
class Manifest:
    """The record that lies beside an executed notebook: what made it and what it read."""

    chapter: str
    key: str
    parameters: dict[str, object]
    seconds: float
    started: str
    commit: str
    versions: dict[str, str]
    read: list[dict[str, str]]

    def data_line(self) -> str:
        """The data of this run in one sentence, for the page."""
        sets = [n for n in self.read if n["kind"] == "data"]
        if not sets:
            return "none read, all simulated"
        return "; ".join(f"{n['name']} ({n['completeness']}, {n['source']})" for n in sets)

    def run_line(self) -> str:
        """The line that ends the chapter's page."""
        versions = ", ".join(f"{k} {v}" for k, v in self.versions.items())
        return (
            f"Profile {self.parameters['profile']}, seed {self.parameters['seed']} · "
            f"data: {self.data_line()} · executed {self.started} in {self.seconds:.1f} s · "
            f"{versions} · commit {self.commit}"
        )


def commit() -> str:
    """Short hash of the checkout's commit, with a word if files differ from it."""
    head = surroundings.git("rev-parse", "--short=10", "HEAD")
    changed = surroundings.git("status", "--porcelain")
    if head is None or changed is None:
        return "unknown (not a git checkout)"
    return head.strip() + (" with uncommitted changes" if changed.strip() else "")


def versions() -> dict[str, str]:
    """Versions of what shapes the numbers on a page."""
    found = {"Python": platform.python_version(), "nodelib": __version__}
    return found | {name: metadata.version(name) for name in SHOWN_VERSIONS}


def key(job: Job) -> str:
    """Hash of the notebook's source, the library, the lock and the parameters."""
    top = paths.root()
    digest = hashlib.sha256()
    library = sorted(
        p
        for package in ("nodelib", "nodebook")
        for p in (top / package).rglob("*")
        if p.suffix in {".py", ".json", ".txt"}
    )
    for path in [job.chapter.source, *library, top / "requirements.lock"]:
        digest.update(f"{path.name}\0{files.sha256(path)}\n".encode())
    digest.update(json.dumps(job.parameters, sort_keys=True).encode())
    digest.update(platform.python_version().encode())
    return digest.hexdigest()


def fingerprint(kind: str, name: str) -> str | None:
    """What the noted input would be now; None if it can no longer be read."""
    now = {"data": data.fingerprint, "results": results.fingerprint, "claims": claims.fingerprint}
    try:
        return now[kind](name)
    except NodelibError:
        return None


def manifest_path(out: Path, chapter: str) -> Path:
    """Where the manifest of an executed chapter lies."""
    return out / f"{chapter}.json"


def load(out: Path, chapter: str) -> Manifest:
    """Read the manifest of an executed chapter."""
    return Manifest(**json.loads(manifest_path(out, chapter).read_text(encoding="utf-8")))


def save(job: Job, result: Result) -> Manifest:
    """Write the manifest of a job that succeeded."""
    made = Manifest(
        chapter=job.chapter.name,
        key=key(job),
        parameters=job.parameters,
        seconds=round(result.seconds, 3),
        started=result.started,
        commit=commit(),
        versions=versions(),
        read=trace.read(job.trace),
    )
    text = json.dumps(asdict(made), indent=1)
    files.write(manifest_path(job.out, job.chapter.name), text.encode())
    return made


def stale(job: Job) -> str | None:
    """Why the job must run (a short reason), or None if its last execution is still good."""
    if not job.target.is_file() or not manifest_path(job.out, job.chapter.name).is_file():
        return "not executed yet"
    try:
        last = load(job.out, job.chapter.name)
    except (json.JSONDecodeError, TypeError):
        return "its manifest is damaged"
    if last.key != key(job):
        return "source, library, lock or parameters changed"
    for noted in last.read:
        if fingerprint(noted["kind"], noted["name"]) != noted["fingerprint"]:
            return f"{noted['kind']} {noted['name']} changed"
    return None
