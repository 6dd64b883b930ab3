"""What is in the MIT-BIH Arrhythmia Database, counted.

Variant ``annotations`` counts records, people, annotations and beats; variant ``rhythms`` turns the
records into events and chunks, and measures QRS durations.

Metrics of ``annotations``:

- ``records``, ``people``, ``women``, ``men``, ``age_unknown``, ``age_min``, ``age_max``
  (women, men and ages are of people)
- ``annotations``, ``beats``, ``non_beats``
- ``classes.N`` .. ``classes.Q``: beats of each AAMI class; ``share.N`` .. ``share.Q``
- ``symbols.<meaning>``: annotations of each symbol, named by its meaning
- ``last_beats.N`` .. ``last_beats.Q``: class of the last beat of each record
- ``beats_but_last``: beats without the last one of each record
- ``paced_records``: names of the records with paced beats
- ``mlii_first``, ``mlii_second``, ``mlii_absent``: records by the place of lead MLII
- ``fs`` (Hz), ``minutes_min``, ``minutes_max``, ``hours_total``
- ``rr_median_s.N`` .. ``rr_median_s.Q``: median R-R interval that ends at a beat of the class

Metrics of ``rhythms``:

- ``events``, ``chunks``, ``full_chunks`` (of 512), ``chunks_per_record_min``, ``_max``,
  ``events_in_two_chunks``
- ``rr_unobserved``, ``qrs_unobserved``
- ``qrs_median_ms.N`` (symbols N, L, R, V, paced): median QRS duration of the annotation symbol
- ``wider_than_normal``, ``compared``: records where V beats are wider than N beats, of those with
  20 or more of both
"""

from collections import Counter

import numpy as np

from nodebook.evidence.results import Outcome
from nodelib import data
from nodelib.data import aami, rhythms

VARIANTS = ("annotations", "rhythms")
SEEDS = (0,)
NEEDS = ("mitdb",)


def run(variant: str, seed: int) -> Outcome:
    """Count; nothing here is random, so ``seed`` changes nothing."""
    db = data.mitdb()
    metrics, per_record = (count if variant == "annotations" else count_rhythms)(db)
    return Outcome(metrics=metrics, history=per_record, data=[db.provenance])


def count(db) -> tuple[dict, list[dict]]:
    """Metrics of the annotations of a database, and one line a record."""
    symbols, last, rr, rows, people = Counter(), Counter(), [[] for _ in aami.CLASSES], [], {}
    for name in db.records:
        record = db.record(name, signals=False)
        label = aami.class_index(record.symbols)
        beats = label[label >= 0]
        symbols.update(record.symbols)
        last[aami.CLASSES[beats[-1]]] += 1
        interval = np.diff(record.samples[label >= 0]) / record.fs
        for index, intervals in enumerate(rr):
            intervals.append(interval[beats[1:] == index])
        people.setdefault(record.patient, record)
        rows.append(
            {
                "record": name,
                "patient": record.patient,
                "age": record.age,
                "sex": record.sex,
                "leads": list(record.leads),
                "minutes": record.n_samples / record.fs / 60,
                "fs": record.fs,
                "paced": "/" in record.symbols,
                "annotations": len(record.symbols),
                **_by_class(np.bincount(beats, minlength=5)),
            }
        )
    classes = {c: sum(row[c] for row in rows) for c in aami.CLASSES}
    beats = sum(classes.values())
    ages = [record.age for record in people.values() if record.age is not None]
    lead = Counter(row["leads"].index("MLII") if "MLII" in row["leads"] else -1 for row in rows)
    minutes = [row["minutes"] for row in rows]
    metrics = {
        "records": len(rows),
        "people": len(people),
        "women": sum(record.sex == "F" for record in people.values()),
        "men": sum(record.sex == "M" for record in people.values()),
        "age_unknown": len(people) - len(ages),
        "age_min": min(ages),
        "age_max": max(ages),
        "annotations": sum(symbols.values()),
        "beats": beats,
        "non_beats": sum(symbols.values()) - beats,
        "classes": classes,
        "share": {c: classes[c] / beats for c in aami.CLASSES},
        "symbols": {_meaning(symbol): n for symbol, n in symbols.most_common()},
        "last_beats": {c: last[c] for c in aami.CLASSES},
        "beats_but_last": beats - len(rows),
        "paced_records": [row["record"] for row in rows if row["paced"]],
        "mlii_first": lead[0],
        "mlii_second": lead[1],
        "mlii_absent": lead[-1],
        "fs": rows[0]["fs"],
        "minutes_min": min(minutes),
        "minutes_max": max(minutes),
        "hours_total": sum(minutes) / 60,
        "rr_median_s": _by_class([float(np.median(np.concatenate(intervals))) for intervals in rr]),
    }
    return metrics, rows


def count_rhythms(db) -> tuple[dict, list[dict]]:
    """Metrics of the events and chunks of a database, and one line a record."""
    durations = {symbol: [] for symbol in "NLRV/"}
    rows, wider, compared = [], 0, 0
    for name in db.records:
        record = db.record(name)
        rhythm = rhythms.events(record)
        pieces = rhythms.chunks(rhythm)
        beat = aami.class_index(record.symbols) >= 0
        symbols = np.array(record.symbols)[beat]
        observed = rhythm.mask[:, 6]
        own = {s: rhythm.qrs_duration[(symbols == s) & observed] for s in durations}
        for symbol, values in own.items():
            durations[symbol].append(values)
        if min(len(own["N"]), len(own["V"])) >= 20:
            compared += 1
            wider += bool(np.median(own["V"]) > np.median(own["N"]))
        rows.append(
            {
                "record": name,
                "events": len(rhythm),
                "chunks": len(pieces),
                "full_chunks": sum(len(piece) == 512 for piece in pieces),
                "in_chunks": sum(len(piece) for piece in pieces),
                "rr_unobserved": int((~rhythm.mask[:, 0]).sum()),
                "qrs_unobserved": int((~rhythm.mask[:, 6]).sum()),
            }
        )
    total = {key: sum(row[key] for row in rows) for key in rows[0] if key != "record"}
    metrics = {
        "events": total["events"],
        "chunks": total["chunks"],
        "full_chunks": total["full_chunks"],
        "chunks_per_record_min": min(row["chunks"] for row in rows),
        "chunks_per_record_max": max(row["chunks"] for row in rows),
        "events_in_two_chunks": total["in_chunks"] - total["events"],
        "rr_unobserved": total["rr_unobserved"],
        "qrs_unobserved": total["qrs_unobserved"],
        "qrs_median_ms": {
            {"/": "paced"}.get(symbol, symbol): float(1e3 * np.median(np.concatenate(values)))
            for symbol, values in durations.items()
            if sum(map(len, values))
        },
        "wider_than_normal": wider,
        "compared": compared,
    }
    return metrics, rows


def _by_class(values) -> dict:
    return {
        label: value.item() if hasattr(value, "item") else value
        for label, value in zip(aami.CLASSES, values, strict=True)
    }


def _meaning(symbol: str) -> str:
    return aami.BEATS[symbol][1] if symbol in aami.BEATS else aami.NON_BEATS.get(symbol, symbol)
