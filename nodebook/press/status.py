"""The status page: what this build executed, when, on which data and from which commit."""

from nodebook import paths
from nodebook.press.reuse import Manifest

MARKER = "<!-- status table -->"


def render(manifests: list[Manifest]) -> str:
    """The page's Markdown: the text of ``book/status.md`` with the table in place of its marker."""
    text = (paths.root() / "book" / "status.md").read_text(encoding="utf-8")
    return text.replace(MARKER, table(manifests))


def table(manifests: list[Manifest]) -> str:
    """One row a chapter."""
    rows = [
        "| chapter | profile | seed | data | seconds | executed | commit |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for m in manifests:
        rows.append(
            f"| {{doc}}`/notebooks/{m.chapter}` | {m.parameters['profile']} "
            f"| {m.parameters['seed']} | {m.data_line()} | {m.seconds:.1f} | {m.started} "
            f"| {m.commit} |"
        )
    if manifests:
        versions = ", ".join(f"{name} {number}" for name, number in manifests[0].versions.items())
        rows += ["", f"Versions: {versions}."]
    return "\n".join(rows)
