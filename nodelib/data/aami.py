"""The AAMI classes of heartbeats, and how records of MIT-BIH are divided for evaluation.

The reference annotations of the MIT-BIH Arrhythmia Database use one character per event. The
standard ANSI/AAMI EC57 groups those that mark a beat into five classes; the others mark changes of
rhythm, of signal quality, or waves that are not beats.

Sources: ANSI/AAMI EC57:2012, table 1 and section 4; PhysioNet, "PhysioBank annotations";
de Chazal, O'Dwyer & Reilly, IEEE Trans. Biomed. Eng. 51(7):1196-1206 (2004), tables I and III.
"""

from collections.abc import Iterable

import numpy as np

from nodelib.errors import DataError

CLASSES: tuple[str, ...] = ("N", "S", "V", "F", "Q")
"""The five classes, in the order that gives each its number 0 to 4."""

CLASS_NAMES: dict[str, str] = {
    "N": "normal or bundle branch block",
    "S": "supraventricular ectopic",
    "V": "ventricular ectopic",
    "F": "fusion of ventricular and normal",
    "Q": "paced or unclassifiable",
}

BEATS: dict[str, tuple[str, str]] = {
    "N": ("N", "normal beat"),
    "L": ("N", "left bundle branch block beat"),
    "R": ("N", "right bundle branch block beat"),
    "e": ("N", "atrial escape beat"),
    "j": ("N", "nodal (junctional) escape beat"),
    "A": ("S", "atrial premature beat"),
    "a": ("S", "aberrated atrial premature beat"),
    "J": ("S", "nodal (junctional) premature beat"),
    "S": ("S", "supraventricular premature beat"),
    "V": ("V", "premature ventricular contraction"),
    "E": ("V", "ventricular escape beat"),
    "F": ("F", "fusion of ventricular and normal beat"),
    "/": ("Q", "paced beat"),
    "f": ("Q", "fusion of paced and normal beat"),
    "Q": ("Q", "unclassifiable beat"),
}
"""Annotation symbol of a beat -> (AAMI class, meaning)."""

NON_BEATS: dict[str, str] = {
    "+": "change of rhythm (its name is in the auxiliary text)",
    "~": "change of signal quality",
    "|": "isolated QRS-like artifact",
    "x": "blocked P wave: the atria beat, the ventricles do not",
    "!": "ventricular flutter wave",
    "[": "start of ventricular flutter or fibrillation",
    "]": "end of ventricular flutter or fibrillation",
    '"': "comment",
}
"""Annotation symbol that does not mark a beat -> meaning (those that MIT-BIH uses)."""

PACED: frozenset[str] = frozenset({"102", "104", "107", "217"})
"""Records with paced beats, which EC57 asks to leave out of evaluation."""

# fmt: off
DS1: tuple[str, ...] = (
    "101",
    "106",
    "108",
    "109",
    "112",
    "114",
    "115",
    "116",
    "118",
    "119",
    "122",
    "124",
    "201",
    "203",
    "205",
    "207",
    "208",
    "209",
    "215",
    "220",
    "223",
    "230",
)
DS2: tuple[str, ...] = (
    "100",
    "103",
    "105",
    "111",
    "113",
    "117",
    "121",
    "123",
    "200",
    "202",
    "210",
    "212",
    "213",
    "214",
    "219",
    "221",
    "222",
    "228",
    "231",
    "232",
    "233",
    "234",
)
# fmt: on
"""Training and test records of the inter-patient split of de Chazal et al. (2004)."""

_INDEX = {symbol: CLASSES.index(label) for symbol, (label, _) in BEATS.items()}


def class_index(symbols: Iterable[str]) -> np.ndarray:
    """AAMI class of each annotation symbol, as int8: 0 to 4 in the order of ``CLASSES``.

    Symbols that do not mark a beat give -1.
    """
    return np.array([_INDEX.get(symbol, -1) for symbol in symbols], dtype=np.int8)


def beats(record, channel: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Sample, int64 (n,), and class, int8 (n,), of each annotated beat of a record.

    Args:
        record: a ``nodelib.data.Record``.
        channel: count only the annotations of this signal (WFDB's ``chan``); all by default.

    Raises:
        DataError: if two beats are at one time, or out of order.
    """
    label = class_index(record.symbols)
    kept = label >= 0
    if channel is not None and len(record.channels):
        kept &= record.channels == channel
    samples = np.asarray(record.samples)[kept]
    wrong = np.diff(samples) <= 0
    if wrong.any() and len(record.channels):
        apart = np.diff(record.channels[kept]) != 0
        if apart[wrong].all() and (np.diff(samples) >= 0).all():
            numbers = ", ".join(str(k) for k in np.unique(record.channels[kept]))
            raise DataError(
                f"record {record.name} has beats of several signals at one time (channels "
                f"{numbers}), which is not supported: choose one with channel=..."
            )
    if wrong.any():
        raise DataError(
            f"record {record.name} has two beats at one time or out of order: "
            "its annotation file is damaged, replace it"
        )
    return samples, label[kept]
