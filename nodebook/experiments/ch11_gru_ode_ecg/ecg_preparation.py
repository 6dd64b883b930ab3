"""How document 000 prepared its data, and what its two accuracies could be made of.

The deck names a repository. Taken from that code, not from the deck: a class is a database (nsrdb
0, mitdb 1, chfdb 2); every annotation is an event, beats or not, and what is no beat counts as
class Q; records are drawn, stratified by class, 80 % for training and half of the rest each for
validation and test (scikit-learn's ``train_test_split``); chunks are cut after that; and the place
of a beat in the signal, filtered at 250 Hz, is computed as ``round(t * 250 / fs)`` with t in
*seconds*, where ``fs`` is not 250. (https://github.com/DaturaSol/neural-edo-bayes, MIT licence.)

Of nsrdb and chfdb three whole annotation files each are at hand here; what rests on them says so.

Metrics:

- ``records.train``, ``records.validation``, ``records.test``, and by class
  ``validation.<database>``
- ``chunks.<database>``: mean chunks of a record; ``chunks.longest``: of the records at hand
- ``majority.low``, ``majority.mean``, ``majority.high``: share of the chunks of normal sinus rhythm
  in a validation set of that size by class, over all draws of the records at hand
- ``sizes.full``, ``sizes.baseline``: how many of the numbers up to 200 can be that of the chunks
  counted, if the accuracy is to round to the deck's 62.0 and 97.78 %; ``smallest`` of them
- ``interval.full``, ``interval.baseline``: 95 % intervals (Clopper and Pearson 1934) of these
  accuracies, if each of the validation records counts once
- ``window.<database>``: share of the beats that lie in the piece of the signal from which their QRS
  duration is computed; ``last_window.mitdb``: where the last of these pieces ends, in s
- ``not_beats.<database>``: share of the events that are no beats
- ``lattice.right``: share of the records at hand that are told apart by the smallest step between
  times (1/128, 1/360, 1/250 s) alone
- ``age.smallest``, ``age.largest`` and ``men`` of the records at hand, by database
- ``told.age.<database>``, ``told.habits.<database>``: share of its people whose database a small
  tree tells from age and sex alone, or from the kinds of annotations that are no beats, each
  person by a tree of all the others; and ``told.<shortcut>.mean`` over the databases
"""

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
from scipy.stats import beta
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict, train_test_split
from sklearn.tree import DecisionTreeClassifier

from nodebook.documents import chunk_listing
from nodebook.evidence import results
from nodelib import data
from nodelib.data.aami import BEATS
from nodelib.data.records import Record

VARIANTS = ("deck",)
SEEDS = (0,)
NEEDS = ("mitdb",)

RECORDS = {"nsrdb": 18, "mitdb": 48, "chfdb": 15}
"""Records of the databases, in the order of their labels."""
FREQUENCIES = {"nsrdb": 128, "mitdb": 360, "chfdb": 250}
SIZE, OVERLAP, FILTERED, REACH = 512, 128, 250, 0.1
"""Events of a chunk and overlap; sampling frequency of the filtered signal; QRS window in s."""
STATE = 37
"""Of the repository's draw. Its order of records is not fixed, so who is drawn is not known."""
FULL, BASELINE = 62.0, 97.78


def run(variant: str, seed: int) -> results.Outcome:
    """Count; nothing here is random."""
    found = {name: annotated(name) for name in RECORDS}
    metrics: dict[str, object] = {
        **divided(),
        **chunked({name: [len(r.samples) for r in records] for name, records in found.items()}),
        **sizes(),
        "window": {},
        "not_beats": {},
        "age": {"smallest": {}, "largest": {}},
        "men": {},
    }
    for name, records in found.items():
        metrics["window"][name] = float(np.mean([in_window(r) for r in records]))
        metrics["not_beats"][name] = float(
            np.mean([np.mean([symbol not in BEATS for symbol in r.symbols]) for r in records])
        )
        ages = [r.age for r in records if r.age is not None]
        metrics["age"]["smallest"][name], metrics["age"]["largest"][name] = min(ages), max(ages)
        metrics["men"][name] = float(np.mean([r.sex == "M" for r in records if r.sex]))
    metrics["last_window"] = {"mitdb": max(window(r)[-1] / FILTERED for r in found["mitdb"])}
    told = [step(r) == FREQUENCIES[name] for name, records in found.items() for r in records]
    metrics["lattice"] = {"right": float(np.mean(told)), "records": len(told)}
    metrics["told"] = {key: alone(found, features) for key, features in SHORTCUTS.items()}
    sources = [getattr(data, name)().provenance for name in RECORDS]
    return results.Outcome(metrics=metrics, data=sources)


def annotated(name: str) -> list[Record]:
    """The records of a database of which the annotations are at hand."""
    database = getattr(data, name)()
    return [database.record(record, signals=False) for record in database.annotated]


def age_and_sex(records: list[Record]) -> np.ndarray:
    """Age in years and whether it is a man, (n, 2); -1 where one is not known."""
    known = [(-1 if r.age is None else r.age, -1 if r.sex is None else r.sex == "M")
             for r in records]  # fmt: skip
    return np.array(known, float)


def habits(records: list[Record]) -> np.ndarray:
    """Which kinds of annotations that are no beats a record has, (n, kinds)."""
    kinds = sorted({symbol for r in records for symbol in r.symbols} - set(BEATS))
    return np.array([[kind in r.symbols for kind in kinds] for r in records], float)


SHORTCUTS = {"age": age_and_sex, "habits": habits}


def alone(
    found: Mapping[str, list[Record]], features: Callable[[list[Record]], np.ndarray]
) -> dict[str, float]:
    """Share of each database's records that a small tree on some features tells, and their mean."""
    records = [r for of in found.values() for r in of]
    label = np.repeat(np.arange(len(found)), [len(of) for of in found.values()])
    tree = DecisionTreeClassifier(max_leaf_nodes=4, class_weight="balanced", random_state=0)
    people = [r.patient for r in records]
    answers = cross_val_predict(
        tree, features(records), label, groups=people, cv=LeaveOneGroupOut()
    )
    right = recall_score(label, answers, average=None)
    return {**dict(zip(found, map(float, right), strict=True)), "mean": float(right.mean())}


def divided() -> dict[str, object]:
    """How many records are in which part."""
    label = np.repeat(list(RECORDS), list(RECORDS.values()))
    train, rest = train_test_split(label, test_size=0.2, random_state=STATE, stratify=label)
    validation, test = train_test_split(rest, test_size=0.5, random_state=STATE, stratify=rest)
    return {
        "records": {"train": len(train), "validation": len(validation), "test": len(test)},
        "validation": {name: int((validation == name).sum()) for name in RECORDS},
    }


def chunked(events: dict[str, list[int]]) -> dict[str, object]:
    """Chunks of a record, and the share of normal sinus rhythm in a validation set."""
    chunks = {name: [chunk_count(n) for n in counts] for name, counts in events.items()}
    drawn = divided()["validation"]
    mitdb = drawn["mitdb"] * float(np.mean(chunks["mitdb"]))  # few, and all alike
    shares = []
    for normal in combinations(chunks["nsrdb"], drawn["nsrdb"]):
        for failing in combinations(chunks["chfdb"], drawn["chfdb"]):
            shares.append(sum(normal) / (sum(normal) + mitdb + sum(failing)))
    return {
        "chunks": {
            **{name: float(np.mean(counts)) for name, counts in chunks.items()},
            "longest": max(max(counts) for counts in chunks.values()),
        },
        "majority": {
            "low": min(shares),
            "mean": float(np.mean(shares)),
            "high": max(shares),
            "draws": len(shares),
        },
    }


def chunk_count(events: int) -> int:
    """Chunks of a record of so many events, the last one shorter."""
    return len(chunk_listing.chunks(np.arange(events), SIZE, OVERLAP))


def sizes() -> dict[str, object]:
    """Numbers of samples that fit the printed accuracies, and their intervals."""
    persons = divided()["records"]["validation"]
    found: dict[str, dict] = {"sizes": {}, "smallest": {}, "interval": {}}
    for name, percent, digits in (("full", FULL, 1), ("baseline", BASELINE, 2)):
        fitting = [
            n
            for n in range(1, 201)
            if any(round(100 * k / n, digits) == percent for k in range(n + 1))
        ]
        right = round(percent / 100 * persons)
        found["sizes"][name], found["smallest"][name] = len(fitting), fitting[0]
        found["interval"][name] = clopper_pearson(right, persons)
    return found


def clopper_pearson(right: int, n: int) -> list[float]:
    """95 % interval of a share of which ``right`` of ``n`` were seen."""
    low = beta.ppf(0.025, right, n - right + 1) if right else 0.0
    high = beta.ppf(0.975, right + 1, n - right) if right < n else 1.0
    return [float(low), float(high)]


def window(record: Record) -> np.ndarray:
    """Sample of the filtered signal at which the repository looks for each event's QRS complex."""
    if record.fs == FILTERED:
        return record.samples
    return np.round(record.samples / record.fs * FILTERED / record.fs).astype(int)


def in_window(record: Record) -> float:
    """Share of the events that lie within the reach of the window in which they are measured."""
    true = record.samples / record.fs * FILTERED
    return float((np.abs(window(record) - true) <= int(REACH * record.fs)).mean())


def step(record: Record) -> int:
    """1 over the coarsest of the three lattices on which all times of a record lie."""
    seconds = record.samples / record.fs
    fitting = [
        f for f in FREQUENCIES.values() if np.abs(seconds * f - np.round(seconds * f)).max() < 1e-4
    ]
    return min(fitting)
