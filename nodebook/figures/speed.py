"""Recorded measurements of speed as tables: ratios within one process, never times alone."""

import json
from dataclasses import dataclass

import pandas as pd

from nodebook import paths
from nodebook.benchmarks.harness import PEERS
from nodebook.errors import ResultsError
from nodebook.evidence import results
from nodelib import trace


@dataclass(frozen=True)
class Speed:
    """A recorded benchmark; Jupyter shows where and when it was measured as one small line."""

    name: str
    entry: dict

    def table(self) -> pd.DataFrame:
        """How many times as fast as the peer we are: the median of the ratios, and quartiles."""
        rows = {
            ratio["name"]: {
                "times as fast": f"{_as_fast(ratio, 'ratio'):.3g}",
                "quartiles": f"{_as_fast(ratio, 'high'):.3g} to {_as_fast(ratio, 'low'):.3g}",
                "our milliseconds": f"{ratio['ours_ms']:,.0f}",
            }
            for ratio in self.entry["ratios"]
        }
        return pd.DataFrame(rows).T

    def against(self) -> pd.DataFrame:
        """Our time over that of each peer (columns) in each contest, medians of ratios."""
        rows: dict[str, dict[str, str]] = {}
        for ratio in self.entry["ratios"]:
            value = ratio["ratio"] / ratio["share"]
            rows.setdefault(ratio["name"], {})[ratio["peer"]] = f"{value:.2g}"
        return pd.DataFrame(rows).T.fillna("")

    def times(self, contest: str) -> float:
        """How many times as fast we are in the first contest whose name begins so."""
        return _as_fast(self._find(contest), "ratio")

    def milliseconds(self, contest: str) -> float:
        """What a step of ours took in it."""
        return self._find(contest)["ours_ms"]

    @property
    def points(self) -> list[dict]:
        """The points, where it is a diagram's."""
        return self.entry["points"]

    def at(self, quantity: str, way: str, size: int) -> float:
        """The milliseconds of a way at a size of one quantity, where it is a diagram of growth."""
        (found,) = (
            point["milliseconds"]
            for point in self.points
            if (point["quantity"], point["way"], point["size"]) == (quantity, way, size)
        )
        return found

    def _find(self, contest: str) -> dict:
        for ratio in self.entry["ratios"]:
            if ratio["name"].startswith(contest):
                return ratio
        raise ResultsError(f"benchmark {self.name!r} has no contest {contest!r}")

    def _repr_markdown_(self) -> str:
        machine = self.entry["hardware"]
        count = machine["threads"]
        where = f"{count} {'thread' if count == 1 else 'threads'} of {machine['cpu']}"
        if machine.get("usable") == 1:
            where += ", held to one core"
        versions = self.entry.get("versions", {})
        told = [f"{name} {versions[name]}" for name in ("torch", *PEERS) if name in versions]
        commit = self.entry["commit"][:7] + (" with changes" if self.entry["modified"] else "")
        return (
            f"<small>Recorded: `nodelib bench {self.name}`, {self.entry['date']}, commit "
            f"{commit}, {where}; {', '.join(told)}.</small>"
        )

    def __repr__(self) -> str:
        count = len(self.entry["ratios"]) or len(self.points)
        return f"Speed({self.name}, {count} measured)"


def _as_fast(ratio: dict, which: str) -> float:
    """A ratio of times, turned round and for the whole of the peer's work."""
    return ratio["share"] / ratio[which]


def measured(name: str) -> Speed:
    """The recorded measurement of a benchmark.

    Raises:
        ResultsError: if nothing is recorded of it.
    """
    folder = paths.measurements()
    trace.note("results", folder.name, results.fingerprint(folder.name))
    file = folder / f"{name}.json"
    if not file.is_file():
        raise ResultsError(f"{file} is missing: make it with 'nodelib bench {name} --record'")
    return Speed(name, json.loads(file.read_text(encoding="utf-8")))
