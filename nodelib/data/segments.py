"""Records of several segments: one after the other, with gaps, and with signals that come and go.

Fixed and variable layouts are described in https://physionet.org/physiotools/wag/header-5.htm.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import wfdb

from nodelib.data import headers, signals
from nodelib.data.signals import Signals
from nodelib.errors import DataError

GAP = "~"
"""Name of a segment in which nothing was recorded."""


def read(
    path: Path, header: wfdb.MultiRecord, leads: Sequence[str] | None, *, needed: bool
) -> Signals:
    """The signals of all segments in one; NaN where a segment is a gap or lacks a signal.

    Args:
        path: directory and record name of the record.
        header: its header.
        leads: names of the signals to read; None for all.
        needed: False reads no signal file.

    Raises:
        DataError: as for the segments themselves, or if they do not make up the record.
    """
    lengths, names = list(header.seg_len), list(header.seg_name)
    known = [_header(path, name) for name in names if name != GAP]
    if not known:
        raise DataError(f"{path}.hea has no segment but gaps: replace it")
    there = signals.names_of(known[0])
    if lengths[0] == 0:  # a variable layout: the first header only lists all signals
        lengths, names = lengths[1:], names[1:]
    wanted = tuple(there if leads is None else leads)
    if absent := [lead for lead in wanted if lead not in there]:
        raise DataError(f"{path}.hea has no signal {absent[0]!r}: it has {', '.join(there)}")
    if header.sig_len and header.sig_len != sum(lengths):
        raise DataError(
            f"{path}.hea says {header.sig_len:,} samples, and its segments have {sum(lengths):,}: "
            "replace it"
        )
    parts: list[Signals | None] = []
    for name, length in zip(names, lengths, strict=True):
        parts.append(None if name == GAP else _part(path, name, length, header.fs, wanted, needed))
    rates = {part.fs for part in parts if part is not None and part.leads} or {float(header.fs)}
    if len(rates) > 1:
        raise DataError(
            f"the segments of {path}.hea differ in sampling frequency "
            f"({', '.join(f'{rate:g}' for rate in sorted(rates))} Hz), which is not supported"
        )
    (fs,) = rates
    per_frame = round(fs / header.fs)
    n_samples = sum(lengths) * per_frame
    if not needed:
        return Signals(fs, wanted, n_samples, None)
    values = np.full((n_samples, len(wanted)), np.nan)
    start = 0
    for part, length in zip(parts, lengths, strict=True):
        stop = start + length * per_frame
        if part is not None and part.values is not None:
            columns = [wanted.index(lead) for lead in part.leads]
            values[start:stop, columns] = part.values
        start = stop
    return Signals(fs, wanted, n_samples, values)


def _header(path: Path, name: str) -> wfdb.Record:
    header = headers.read(path.with_name(name))
    if isinstance(header, wfdb.MultiRecord):
        raise DataError(
            f"{path.with_name(name)}.hea, a segment of {path.name}, has segments itself, which "
            "WFDB does not allow: replace it"
        )
    return header


def _part(
    path: Path, name: str, length: int, fs: float, wanted: Sequence[str], needed: bool
) -> Signals:
    """One segment's share of the wanted signals."""
    own, header = path.with_name(name), _header(path, name)
    has = [lead for lead in wanted if lead in signals.names_of(header)]
    if header.fs != fs:
        raise DataError(
            f"{own}.hea gives {header.fs:g} Hz and {path.name}.hea {fs:g} Hz: replace them"
        )
    if not has:
        return Signals(float(fs), (), length, None)
    part = signals.read(own, header, has, needed=needed)
    per_frame = round(part.fs / fs)
    if part.n_samples not in (0, length * per_frame):
        raise DataError(
            f"{own}.hea has {part.n_samples // per_frame:,} samples, where {path.name}.hea says "
            f"{length:,}: replace them"
        )
    return part
