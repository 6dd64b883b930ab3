"""What two decks say about MIT-BIH beside their counts: names of classes, and chunks.

Variant ``names`` looks at the names that the deck on ODE-Nets gives to the five classes; ``chunks``
at the segments of the deck on GRU-ODE-Bayes.

Metrics of ``names``:

- ``meant.N`` .. ``meant.Q``: share of the beats of the class that are what the name says
- ``most.N`` .. ``most.Q``: meaning of the symbol that most beats of the class have

Metrics of ``chunks`` (of 512 events, overlap 128): ``chunks``, ``full_share`` (share that has 512
events), ``shortest``, ``overlap_min`` (events that a chunk shares with the next, mean of a record,
least of all records)
"""

from collections import Counter

from nodebook.evidence.results import Outcome
from nodelib import data
from nodelib.data import aami, rhythms

VARIANTS = ("names", "chunks")
SEEDS = (0,)
NEEDS = ("mitdb",)

NAMED = {"N": "N", "S": "AaJS", "V": "V", "F": "F", "Q": "Q"}
"""Symbols that the deck's name of a class covers: normal beat, supraventricular premature beat,
premature ventricular contraction, fusion of ventricular and normal beats, unclassified beat."""


def run(variant: str, seed: int) -> Outcome:
    """Measure one of the two; nothing here is random, so ``seed`` changes nothing."""
    db = data.mitdb()
    metrics = {"names": names, "chunks": chunks}[variant](db)
    return Outcome(metrics=metrics, data=[db.provenance])


def names(db) -> dict:
    """How many beats of each class are what the deck's name for the class says."""
    symbols = Counter()
    for name in db.records:
        symbols.update(db.record(name, signals=False).symbols)
    meant, most = {}, {}
    for label in aami.CLASSES:
        members = {s: symbols[s] for s, (of, _) in aami.BEATS.items() if of == label}
        meant[label] = sum(symbols[s] for s in NAMED[label]) / sum(members.values())
        most[label] = aami.BEATS[max(members, key=members.get)][1]
    return {"meant": meant, "most": most}


def chunks(db) -> dict:
    """Sizes of the chunks, and how many events each shares with the one after it."""
    sizes, overlaps = [], []
    for name in db.records:
        rhythm = rhythms.events(db.record(name, signals=False))
        lengths = [len(piece) for piece in rhythms.chunks(rhythm)]
        sizes += lengths
        if len(lengths) > 1:
            overlaps.append((sum(lengths) - len(rhythm)) / (len(lengths) - 1))
    return {
        "chunks": len(sizes),
        "full_share": sum(size == 512 for size in sizes) / len(sizes),
        "shortest": min(sizes),
        "overlap_min": min(overlaps),
    }
