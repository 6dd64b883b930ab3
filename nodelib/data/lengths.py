"""How long a WFDB record is: what its header says, and what its signal files hold.

The formats are described in https://physionet.org/physiotools/wag/signal-5.htm.
"""

from collections import defaultdict
from fractions import Fraction
from math import ceil
from pathlib import Path

import wfdb

from nodelib.errors import DataError

_BYTES = {
    **{fmt: Fraction(1) for fmt in ("8", "80")},
    **{fmt: Fraction(2) for fmt in ("16", "61", "160")},
    **{"24": Fraction(3), "32": Fraction(4), "212": Fraction(3, 2)},
    **{fmt: Fraction(4, 3) for fmt in ("310", "311")},
}
_COMPRESSED = ("508", "516", "524")


def per_frame(header: wfdb.Record, k: int) -> int:
    """Samples of signal ``k`` in a frame."""
    return header.samps_per_frame[k] or 1


def frames(path: Path, header: wfdb.Record, *, needed: bool) -> int:
    """Length of the record in frames: the header's, or that of its signal files.

    Args:
        path: directory and record name.
        header: its header.
        needed: whether the signals are to be read. If not, the files may be missing; without a
            length in the header the answer is then 0.

    Raises:
        DataError: if they are needed and a signal file is missing, shorter or longer than the
            header says, in an unknown format, or of a length of its own, or if the header says
            0.
    """
    if not header.n_sig or (header.sig_len and not needed):
        return header.sig_len or 0
    if needed and header.sig_len == 0:  # wfdb takes this for an empty record
        raise DataError(
            f"{path}.hea gives a length of 0, which stands for unknown: write the number of "
            "samples into its first line, or remove the 0"
        )
    members = defaultdict(list)
    for k, name in enumerate(header.file_name):
        members[name].append(k)
    lengths = {}
    for name, signals in members.items():
        file = path.with_name(name)
        if not file.is_file():
            if not needed:
                return 0
            raise DataError(f"{file} is missing: copy or download the record's signals")
        lengths[name] = _frames_in(file, path, header, signals)
    if header.sig_len:
        return header.sig_len
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise DataError(
            f"{path}.hea gives no length, and its signal files differ in theirs (frames: {found}): "
            "write the number of samples into its first line"
        )
    return next(iter(lengths.values()))


def _frames_in(file: Path, path: Path, header: wfdb.Record, signals: list[int]) -> int:
    """Frames in a signal file of the record, checked against the header's length."""
    formats = {header.fmt[k] for k in signals}
    fmt = header.fmt[signals[0]]
    if len(formats) > 1:
        raise DataError(f"{path}.hea gives {file.name} several formats: replace it")
    if fmt in _COMPRESSED:
        if not header.sig_len:
            raise DataError(
                f"{path}.hea gives no length, and format {fmt} of {file.name} is compressed: "
                "write the number of samples into its first line"
            )
        return header.sig_len  # what is read is compared with it
    if fmt not in _BYTES:
        known = ", ".join([*_BYTES, *_COMPRESSED])
        raise DataError(f"{path}.hea: signal format {fmt} is not supported; these are: {known}")
    width = _BYTES[fmt] * sum(per_frame(header, k) for k in signals)
    size = file.stat().st_size - (header.byte_offset[signals[0]] or 0)
    found = max(0, int(size / width))
    # Formats that share bytes between samples may fill up the last group.
    slack = ceil(_BYTES[fmt]) * 2 if fmt in ("310", "311") else 1
    if header.sig_len and abs(size - width * header.sig_len) > slack:
        state = "truncated" if size < width * header.sig_len else "too long"
        raise DataError(
            f"{file} is {state}: it holds {found:,} samples of each signal, the "
            f"header {path.name}.hea says {header.sig_len:,}. Replace both with a matching pair"
        )
    if not found:
        raise DataError(f"{file} holds no sample: copy or download the record's signals")
    return found
