"""How long the recordings are that document 000's numbers can be held against.

Variant ``databases``: every record of MIT-BIH by its header, and every series of R-R intervals of
the two databases of day-long recordings, which are from people in normal sinus rhythm and with
heart failure, as the deck's are.

Metrics: ``recordings``, ``hours_min``, ``hours_max``, and both by database, ``mitdb``, ``nsr2db``,
``chf2db``.
"""

from nodebook.evidence.results import Outcome
from nodelib import data

VARIANTS = ("databases",)
SEEDS = (0,)
NEEDS = ("mitdb", "nsr2db", "chf2db")


def run(variant: str, seed: int) -> Outcome:
    """Look at every recording; nothing here is random, so ``seed`` changes nothing."""
    beats = data.mitdb()
    records = (beats.record(name, signals=False) for name in beats.records)
    hours = {"mitdb": [record.n_samples / record.fs / 3600 for record in records]}
    provenances = [beats.provenance]
    for name in ("nsr2db", "chf2db"):
        series = getattr(data, name)()
        hours[name] = [float(series.rr(one).sum() / 3600) for one in series.records]
        provenances.append(series.provenance)
    together = [length for lengths in hours.values() for length in lengths]
    metrics = {name: describe(lengths) for name, lengths in hours.items()}
    return Outcome(metrics={**describe(together), **metrics}, data=provenances)


def describe(hours: list[float]) -> dict:
    """Number, shortest and longest."""
    return {"recordings": len(hours), "hours_min": min(hours), "hours_max": max(hours)}
