"""How a network is trained: steps, learning rate and its schedule, decay, clipping, averaging."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nodelib.errors import ModelError


@dataclass(frozen=True)
class Recipe:
    """How a module is trained with Adam, or AdamW where ``weight_decay`` is not 0.

    Attributes:
        steps: number of updates.
        rate: learning rate; of "one-cycle" the peak, of "cosine" the start.
        schedule: "constant", "cosine" (to 0), or "one-cycle" (up for a tenth of the steps, then
            down to 0, both along a cosine).
        weight_decay: decoupled weight decay of the parameters with more than one dimension (not
            counting the axis of seeds).
        clip: largest norm of the gradient, of each network on its own; None for no limit.
        ema: decay of an exponential moving average of the parameters, which replaces them at the
            end; None for no average.
        shares: of networks side by side, what each one's rate is multiplied by; None for 1.
    """

    steps: int
    rate: float
    schedule: str = "constant"
    weight_decay: float = 0.0
    clip: float | None = None
    ema: float | None = None
    shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rate <= 0:
            raise ModelError(f"steps {self.steps} and rate {self.rate} must be positive")
        if self.schedule not in SCHEDULES:
            raise ModelError(
                f"there is no schedule {self.schedule!r}; there are {', '.join(SCHEDULES)}"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise ModelError(f"ema {self.ema} must lie between 0 and 1")
        if self.shares is not None and not all(share > 0 for share in self.shares):
            raise ModelError(f"the shares {self.shares} of the rate must be positive")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, 0 to ``steps - 1``."""
        return self.rate * SCHEDULES[self.schedule](step / self.steps)


def _warm(share: float) -> float:
    rising = 0.1
    if share < rising:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * share / rising)) / 2
    return (1 + math.cos(math.pi * (share - rising) / (1 - rising))) / 2


SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "one-cycle": _warm,
}
"""Learning rate as a share of ``Recipe.rate``, by the share of training that is done."""
