"""Series of observations at irregular times, several samples padded to one length, and checked."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nodelib.errors import ModelError

COARSE = 0.01
"""Share of the mean gap that the rounding of times may reach."""


@dataclass(frozen=True)
class Events:
    """Observations of B samples, at most L each, of F features; made by ``make_events``.

    Attributes:
        times: (B, L), strictly increasing in each sample; padding repeats the last time.
        values: (B, L, F), zero where nothing was observed.
        observed: (B, L, F), true where a feature was observed. A row with none still jumps.
        lengths: (B,), number of events of each sample, 0 allowed.
        start: (B,), when the initial state holds.
        end: (B,), until when the state is followed.
        covariates: (B, C), what is known at the start; or None.
    """

    times: Tensor
    values: Tensor
    observed: Tensor
    lengths: Tensor
    start: Tensor
    end: Tensor
    covariates: Tensor | None

    @property
    def real(self) -> Tensor:
        """(B, L), false where an entry is padding."""
        places = torch.arange(self.times.shape[1], device=self.times.device)
        return places < self.lengths[:, None]

    @property
    def gaps(self) -> Tensor:
        """(B, L + 1): from the start to the first event, between events, from the last to the end.

        Computed in the dtype of the times. Zero in padding.
        """
        ends = torch.cat((self.start[:, None], self.times, self.end[:, None]), 1)
        return ends.diff(dim=1)

    def sample(self, k: int) -> "Events":
        """Sample ``k`` alone, without padding."""
        n = int(self.lengths[k])
        rows = slice(k, k + 1)
        return Events(
            self.times[rows, :n],
            self.values[rows, :n],
            self.observed[rows, :n],
            self.lengths[rows],
            self.start[rows],
            self.end[rows],
            None if self.covariates is None else self.covariates[rows],
        )


def make_events(
    times: Tensor,
    values: Tensor,
    observed: Tensor | None = None,
    *,
    lengths: Tensor | None = None,
    start: Tensor | float = 0.0,
    end: Tensor | float | None = None,
    covariates: Tensor | None = None,
) -> Events:
    """Check padded series and put zeros where nothing was observed.

    Args:
        times: (B, L), float32 or float64; what stands in padding does not matter.
        values: (B, L, F); what stands where nothing was observed does not matter, NaN included.
        observed: (B, L, F), true or 1 where observed; by default where the value is not NaN.
        lengths: (B,), events of each sample; by default L.
        start: time of the initial state, a number or (B,).
        end: until when the state is followed, a number or (B,); by default the last event.
        covariates: (B, C).

    Raises:
        ModelError: naming the sample and row, if times are not finite, not strictly increasing,
            before the start, after the end, or rounded too coarsely for their gaps; if an observed
            value is not finite; or a shape does not fit.
    """
    batch, most, _ = _shapes(times, values)
    if not times.is_floating_point():
        raise ModelError(f"the times are {times.dtype}: give float64, or float32 from the start on")
    if observed is None:
        observed = ~values.isnan()
    if observed.shape != values.shape:
        raise ModelError(
            f"the mask has shape {tuple(observed.shape)}, the values {tuple(values.shape)}: "
            f"give one entry of the mask for each value"
        )
    if observed.dtype != torch.bool:
        if not ((observed == 0) | (observed == 1)).all():
            raise ModelError("the mask has entries other than 0 and 1")
        observed = observed.bool()
    if lengths is None:
        lengths = torch.full((batch,), most)
    if lengths.shape != (batch,) or (lengths < 0).any() or (lengths > most).any():
        raise ModelError(f"lengths must be {batch} numbers from 0 to {most}, not {lengths}")
    if covariates is not None and (covariates.dim() != 2 or len(covariates) != batch):
        raise ModelError(
            f"the covariates have shape {tuple(covariates.shape)}: give one row for each of "
            f"{batch} samples"
        )
    if covariates is not None:
        _refuse(~covariates.isfinite(), "covariate {1} of sample {0} is not finite")
    real = torch.arange(most, device=times.device) < lengths[:, None]
    observed = observed & real[..., None]
    _check_times(times, real)
    _refuse(
        observed & ~values.isfinite(),
        "the value of feature {2} in row {1} of sample {0} is not finite: mark it as not observed",
    )
    start = torch.as_tensor(start, dtype=times.dtype, device=times.device).expand(batch)
    _refuse(~start.isfinite(), "the start of sample {0} is not finite")
    _refuse(
        real & (times < start[:, None]),
        "the time in row {1} of sample {0} lies before the start, where the initial state holds: "
        "shift the times or give start=",
    )
    last = start
    if most:
        at = (lengths - 1).clamp(min=0)[:, None]
        last = torch.where(lengths > 0, times.gather(1, at)[:, 0], start)
    end = last if end is None else torch.as_tensor(end, dtype=times.dtype, device=times.device)
    end = end.expand(batch)
    _refuse(~end.isfinite(), "the end of sample {0} is not finite")
    _refuse(end < last, "the end of sample {0} lies before its last event: cut the series first")
    times = torch.where(real, times, last[:, None])
    values = torch.where(observed, values, 0.0)
    return Events(times, values, observed, lengths, start, end, covariates)


def pad_events(
    series: Sequence[tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]],
    *,
    start: Tensor | float = 0.0,
    end: Tensor | float | None = None,
    covariates: Tensor | None = None,
) -> Events:
    """One batch of series of different lengths.

    Args:
        series: for each sample its times (n,), values (n, F) and, where wanted, mask (n, F); n may
            be 0.
        start, end, covariates: as in ``make_events``.

    Raises:
        ModelError: as ``make_events``; also if there is no sample or the shapes of one do not fit.
    """
    if not series:
        raise ModelError("there is no series: give at least one")
    most = max(len(times) for times, *_ in series)
    times, values, observed = [], [], []
    for k, (t, x, *mask) in enumerate(series):
        m = mask[0] if mask else ~x.isnan()
        if t.dim() != 1 or x.dim() != 2 or len(t) != len(x) or m.shape != x.shape:
            raise ModelError(
                f"sample {k} has times {tuple(t.shape)}, values {tuple(x.shape)}, mask "
                f"{tuple(m.shape)}: give (n,), (n, F) and (n, F)"
            )
        if x.shape[1] != series[0][1].shape[1]:
            raise ModelError(
                f"sample {k} has {x.shape[1]} features, sample 0 has {series[0][1].shape[1]}"
            )
        room = most - len(t)
        times.append(torch.cat((t, t.new_zeros(room))))
        values.append(torch.cat((x, x.new_zeros(room, x.shape[1]))))
        observed.append(torch.cat((m.bool(), torch.zeros(room, x.shape[1], dtype=torch.bool))))
    return make_events(
        torch.stack(times),
        torch.stack(values),
        torch.stack(observed),
        lengths=torch.tensor([len(t) for t, *_ in series]),
        start=start,
        end=end,
        covariates=covariates,
    )


def merge_simultaneous(
    times: Tensor, values: Tensor, observed: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One sample's rows (n,), (n, F), (n, F), with rows of one time joined to one.

    Raises:
        ModelError: if two rows of one time observe the same feature: nobody knows which counts.
    """
    observed = observed.bool()
    kept, group = torch.unique(times, return_inverse=True)
    count = torch.zeros(len(kept), values.shape[1], dtype=torch.long)
    count.index_add_(0, group, observed.long())
    twice = (count > 1).nonzero()
    if len(twice):
        row, feature = twice[0].tolist()
        raise ModelError(
            f"feature {feature} was observed {int(count[row, feature])} times at time "
            f"{float(kept[row]):g}: keep one, or average them"
        )
    joined = torch.zeros(len(kept), values.shape[1], dtype=values.dtype)
    joined.index_add_(0, group, torch.where(observed, values, 0.0))
    return kept, joined, count.bool()


def _shapes(times: Tensor, values: Tensor) -> tuple[int, int, int]:
    if times.dim() != 2 or values.dim() != 3 or values.shape[:2] != times.shape:
        raise ModelError(
            f"the times have shape {tuple(times.shape)}, the values {tuple(values.shape)}: "
            f"give (B, L) and (B, L, F)"
        )
    return values.shape


def _check_times(times: Tensor, real: Tensor) -> None:
    _refuse(real & ~times.isfinite(), "the time in row {1} of sample {0} is not finite")
    if times.shape[1] < 2:
        return
    both = real[:, 1:]
    step = times.diff(dim=1)
    lengths = real.sum(1)
    # Rounding is judged first: it is often what made neighbours equal.
    last = times.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
    mean_gap = (last - times[:, 0]).abs() / (lengths - 1).clamp(min=1)
    largest = torch.where(real, times.abs(), 0.0).amax(1)
    unit = torch.finfo(times.dtype).eps * largest
    coarse = both & (unit > COARSE * mean_gap)[:, None]
    _refuse(
        coarse,
        f"the gap between rows {{1}} and {{1}} + 1 of sample {{0}} is lost in rounding: "
        f"{times.dtype} is too coarse for times of that size. Give float64, or subtract the start",
    )
    _refuse(
        both & (step == 0),
        "rows {1} and {1} + 1 of sample {0} have the same time: join them (merge_simultaneous)",
    )
    _refuse(
        both & (step < 0),
        "row {1} + 1 of sample {0} is earlier than row {1}: sort the rows by time",
    )


def _refuse(wrong: Tensor, message: str) -> None:
    places = wrong.nonzero()
    if len(places):
        more = f" ({len(places) - 1} more)" if len(places) > 1 else ""
        raise ModelError(message.format(*places[0].tolist()) + more)
