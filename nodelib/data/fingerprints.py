"""A cheap, offline answer to: has what a page read changed?"""

from nodelib import trace
from nodelib.data import standins
from nodelib.data.find import holdings, sources
from nodelib.data.find.provenance import Provenance, digest

TOY = "toy_ecg"


def fingerprint(name: str) -> str:
    """A hash of where a data set would be read from on this disk now, and of the files there.

    Never uses the network: what is not at hand counts as its stand-in. It changes when
    ``NODELIB_DATA`` or the cache change what would be read.

    Args:
        name: one of ``sources.NAMES``, or ``"toy_ecg"``.

    Raises:
        DataError: if there is no such data set, or ``NODELIB_DATA`` or the cache is unusable.
    """
    if name == TOY:
        return standins.recipe(name)
    holding = holdings.find(sources.get(name))
    if holding is None:
        return digest({"stand-in": standins.recipe(name)})
    kind = f"{name} {holding.place} {holding.completeness}"
    return digest({kind: holding.sha256()})


def note(provenance: Provenance) -> None:
    """Tell the run that a data set was read, for its page's last line and for reuse."""
    trace.note(
        "data",
        provenance.name,
        fingerprint(provenance.name),
        source=provenance.source,
        completeness=provenance.completeness,
        sha256=provenance.sha256,
        detail=provenance.detail,
    )
