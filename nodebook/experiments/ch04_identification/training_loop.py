"""What document 001's training loop does, line by line, apart from learning.

Metrics:

- ``windows``: of 20,000 windows drawn as the listing draws them, ``most`` and ``fewest`` points in
  one, ``dropped`` (windows from which the limit of 32 points removes any), ``drawn`` ("every point"
  or "a subset"), ``shortest`` and ``longest`` (time from first to last observation), and whether
  the first observation is ever drawn (``first``)
- ``np_int``: what ``np.int`` does in the installed NumPy ("runs", or the name of the error)
- ``retain_graph``: whether 20 training steps of the deck's class end in other parameters without
  it ("needed" or "not needed")
- ``batch``: 32 windows of irregular times solved together. ``difference``: largest difference from
  solving them one by one; ``own``: field evaluations when each advances by its own intervals, over
  those of the longest window alone; ``union``: the same when all stop at all times; ``adaptive``:
  evaluations of one adaptive solve of 32 van der Pol oscillators over different times, over the
  mean of solving each alone; ``issue``: where a batch takes over 1.5 times the evaluations of one
  solve ("always", "with shared adaptive steps", "never")
"""

import numpy as np
import torch
from torch import Tensor, nn

from nodebook.documents import adjoint_listing
from nodebook.evidence.results import Outcome
from nodebook.experiments.ch04_identification.identification import Matrices, starts_in_box
from nodebook.experiments.ch04_identification.spiral_identification import observations, times
from nodelib.fields import Linear, LinearSpiral, VanDerPol
from nodelib.ode.solvers import solve
from nodelib.seeds import generator
from nodelib.training.windows import DECK, Span, draw, draw_one, solve_intervals

VARIANTS = ("listing",)
SEEDS = (0,)
NEEDS = ()
TOLERANCE = {"batch.difference": 10.0, "windows.*": 1e-6}

DRAWS = 20_000
BATCH = 32
COSTLY = 1.5


def run(variant: str, seed: int) -> Outcome:
    """Measure everything."""
    metrics = {
        "windows": windows(seed),
        "np_int": np_int(),
        "retain_graph": retain_graph(seed),
        "batch": batch(seed),
    }
    return Outcome(metrics=metrics)


def windows(seed: int, draws: int = DRAWS) -> dict[str, object]:
    """Sizes of random windows, with and without the limit on their points."""
    t, without = times(), Span(DECK.shortest, DECK.longest, len(times()))
    sizes, kept, spans, first = [], [], [], False
    for k in range(draws):
        every = draw_one(t, without, generator(seed, k))
        limited = draw_one(t, DECK, generator(seed, k))
        sizes.append(len(every))
        kept.append(len(limited))
        spans.append(float(t[every[-1]] - t[every[0]]))
        first = first or int(every[0]) == 0
    dropped = sum(a > b for a, b in zip(sizes, kept, strict=True))
    return {
        "most": max(sizes),
        "fewest": min(sizes),
        "dropped": dropped,
        "drawn": "a subset" if dropped else "every point",
        "shortest": min(spans),
        "longest": max(spans),
        "first": "drawn" if first else "never drawn",
    }


def np_int() -> str:
    """What the listing's ``dtype=np.int`` does today."""
    try:
        np.arange(3, dtype=np.int)
    except AttributeError as error:
        return type(error).__name__
    return "runs"


def retain_graph(seed: int, steps: int = 20) -> str:
    """Whether the deck's training ends elsewhere if the graph is not retained."""
    ends = [_trained(seed, steps, retain) for retain in (True, False)]
    return "not needed" if torch.equal(*ends) else "needed"


def _trained(seed: int, steps: int, retain: bool) -> Tensor:
    t, (_, observed) = times(), observations((seed,), by_euler=True)
    field = Linear(Matrices((seed,)).matrix.detach()[0])
    optimiser = torch.optim.Adam(field.parameters(), lr=0.01)
    for step in range(steps):
        index = draw_one(t, DECK, generator(seed, step))
        found = adjoint_listing.solve(field, observed[0, index[:1]], t[index], as_printed=True)
        loss = (found[:, 0] - observed[0, index]).square().mean()
        optimiser.zero_grad()
        loss.backward(retain_graph=retain)
        optimiser.step()
    return field.matrix.detach()


class Counted(nn.Module):
    """A field that counts how often it is evaluated."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field, self.count = field, 0

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at ``z``."""
        self.count += 1
        return self.field(t, z)


def batch(seed: int) -> dict[str, object]:
    """Cost and accuracy of solving many windows at once."""
    random = generator(seed)
    t = torch.rand(400, generator=random, dtype=torch.float64).sort().values * 30
    truth = LinearSpiral().requires_grad_(False)
    data = truth.exact(t, torch.tensor([0.6, 0.3], dtype=torch.float64))[None]
    drawn = draw(t, data, (seed,), 0, count=BATCH)
    elapsed = drawn.t[0] - drawn.t[0, :, :1]
    first = drawn.z[0, :, 0]
    together, longest = Counted(truth), Counted(truth)
    found = solve_intervals(together, first, elapsed)
    differences = []
    for k in range(BATCH):
        n = int(drawn.real[0, k].sum())
        alone = solve_intervals(
            longest if n == elapsed.shape[1] else truth, first[k], elapsed[k, :n]
        )
        differences.append(float((alone - found[k, :n]).abs().max()))
    widest = int((drawn.real[0].sum(1) == elapsed.shape[1]).sum())
    own = together.count / (longest.count / widest)
    union = (len(elapsed.unique()) - 1) / (elapsed.shape[1] - 1)
    adaptive = shared_steps(seed)
    issue = "with shared adaptive steps" if adaptive > COSTLY else "never"
    return {
        "difference": max(differences),
        "own": own,
        "union": union,
        "adaptive": adaptive,
        "issue": "always" if own > COSTLY else issue,
    }


def shared_steps(seed: int, rtol: float = 1e-6) -> float:
    """Evaluations of one adaptive solve for a batch, over the mean of its members alone.

    Each member has its own end time; time is normalised to [0, 1].
    """
    starts = starts_in_box(BATCH, 2.0, seed)
    ends = 1 + 4 * torch.rand(BATCH, 1, generator=generator(seed, 1), dtype=torch.float64)
    field = VanDerPol(5.0).requires_grad_(False)

    def cost(z0: Tensor, end: Tensor) -> int:
        stretched = lambda t, z: end * field(t, z)  # noqa: E731
        return solve(stretched, z0, [0.0, 1.0], rtol=rtol, atol=rtol).stats.nfe

    alone = [cost(z0, end) for z0, end in zip(starts, ends, strict=True)]
    return cost(starts, ends) / float(np.mean(alone))
