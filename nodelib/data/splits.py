"""Ways to divide heartbeats into training and test, from the most lenient to the strictest.

``nodelib.data.heartbeats`` draws beats (``by_beat``) and divides DS1 from DS2; what is here lies
between the two and answers what a score by beat owes to the same minute, and to the same patient.
"""

import numpy as np

from nodelib.errors import DataError


def by_time_block(
    record: np.ndarray, seconds: np.ndarray, *, length: float, test_share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, test): of each record whole blocks of time are drawn for the test.

    Args:
        record: (n,), the record of each beat.
        seconds: (n,), when in its record each beat comes.
        length: of a block, in seconds.
        test_share: share of the blocks of each record, rounded, at least one.
        seed: of the draw.

    Raises:
        DataError: if a record has beats in fewer than two blocks.
    """
    rng = np.random.default_rng(seed)
    test = np.zeros(len(record), bool)
    for name in np.unique(record):
        rows = np.flatnonzero(record == name)
        blocks = np.floor(seconds[rows] / length).astype(int)
        present = np.unique(blocks)
        if len(present) < 2:
            raise DataError(
                f"record {name} has beats in {len(present)} block of {length:g} s: need 2 or more"
            )
        count = max(1, round(test_share * len(present)))
        test[rows] = np.isin(blocks, rng.permutation(present)[:count])
    return np.flatnonzero(~test), np.flatnonzero(test)


def by_patient(
    patient: np.ndarray, *, test_share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, test): whole patients are drawn for the test, ``test_share`` of them.

    Args:
        patient: (n,), the patient of each beat.
        test_share: share of the patients, rounded, at least one.
        seed: of the draw.

    Raises:
        DataError: if there are fewer than two patients.
    """
    names = np.unique(patient)
    if len(names) < 2:
        raise DataError(f"beats of {len(names)} patient cannot be divided between patients")
    drawn = np.random.default_rng(seed).permutation(names)
    test = np.isin(patient, drawn[: max(1, round(test_share * len(names)))])
    return np.flatnonzero(~test), np.flatnonzero(test)
