"""GRU-ODE-Bayes: a state that flows between observations and jumps at them.

Source: De Brouwer, Simm, Arany & Moreau 2019. Here every sample of a batch is taken over its own
gaps from its own event to its own next event, so that 512 events are 512 jumps whatever the batch.
The reference computation walks the union of the times of all samples instead (``walk`` does).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.models.gru_ode.blocks import Plan, check_blocks, in_blocks
from nodelib.models.gru_ode.cells import GRUODECell
from nodelib.models.gru_ode.events import Events
from nodelib.models.gru_ode.jump import GRUBayes
from nodelib.models.gru_ode.losses import NOISE, gaussian_kl, gaussian_nll
from nodelib.models.gru_ode.stepping import Stepping

FAR = 1e6
"""Size of a state that overflows: its equation keeps it in (-1, 1), only too long steps do not."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model.

    Attributes:
        features: F, of an observation.
        hidden: H, of the state.
        p_hidden: hidden units of the map from the state to mean and log-variance.
        prep_hidden: units, for each feature, of what the jump sees.
        cov: C, covariates; a model of samples without any is given zeros.
        cov_hidden: hidden units of the map from covariates to the first state.
        class_hidden: hidden units of the classifier.
        classes: logits of the classifier (1 for a yes or no).
    """

    features: int
    hidden: int
    p_hidden: int = 25
    prep_hidden: int = 10
    cov: int = 1
    cov_hidden: int = 25
    class_hidden: int = 25
    classes: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ModelError(f"{name} must be at least 1, not {value}")


@dataclass(frozen=True)
class Followed:
    """What a batch did.

    Attributes:
        h: states at the ends, (B, H).
        logits: (B, classes), of these states.
        nll: Gaussian negative log-likelihood before the jumps, summed for each sample, (B,).
        kl: Kullback-Leibler divergence after the jumps, likewise.
        count: observed entries of each sample, (B,).
        before: what was predicted of each event just before it, (B, L, 2F): means, log-variances.
        after: states just after the start and after each jump, (B, L + 1, H).
    """

    h: Tensor
    logits: Tensor
    nll: Tensor
    kl: Tensor
    count: Tensor
    before: Tensor
    after: Tensor

    def loss(self, mixing: float) -> Tensor:
        """``sum of nll + mixing * sum of kl``, as in the reference; divide it as you need."""
        return self.nll.sum() + mixing * self.kl.sum()


class GRUODEBayes(nn.Module):
    """The model; see the package for how to use it.

    Args:
        sizes: its sizes.
        stepping: how it flows between events. May be replaced at any time.
        full: the full GRU-ODE cell, with a reset gate of its own; else the minimal one.
        impute: whether the field sees what the state predicts (mean and log-variance), or only
            the state.
        noise: standard deviation of an observation in the second loss.
        checkpoint: events in a block of which only the first state is kept, and which is redone in
            the backward pass; None keeps everything.
        compile: whether the walk over the events is compiled at its first call, which takes tens
            of seconds for each size of batch, and again where gradients are not wanted. Needs a C++
            compiler; without one there is a warning, and no compilation. Not for an adaptive
            solver. Results differ by rounding.
        seed: of the initial weights.
        dtype: of the parameters.
    """

    def __init__(
        self,
        sizes: Sizes,
        stepping: Stepping,
        *,
        full: bool = False,
        impute: bool = False,
        noise: float = NOISE,
        checkpoint: int | None = None,
        compile: bool = False,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if not noise > 0:
            raise ModelError(f"noise must be a positive number, not {noise}")
        check_blocks(checkpoint)
        if compile and stepping.adaptive:
            raise ModelError("an adaptive solver is not compiled: take fixed steps")
        self.checkpoint, self.compiled = checkpoint, compile
        self.sizes, self.stepping, self.noise, self.impute = sizes, stepping, noise, impute
        s = sizes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Sequential(two_layers(s.cov, s.cov_hidden, s.hidden, dtype), nn.Tanh())
            self.predict = two_layers(s.hidden, s.p_hidden, 2 * s.features, dtype)
            inputs = 2 * s.features if impute else 0
            self.cell = GRUODECell(s.hidden, inputs, full=full, dtype=dtype)
            self.jump = GRUBayes(s.features, s.hidden, s.prep_hidden, dtype=dtype)
            self.classify = two_layers(s.hidden, s.class_hidden, s.classes, dtype)

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return self.cell.candidate_weight.dtype

    def field(self, h: Tensor) -> Tensor:
        """``dh/dt`` of states (..., H)."""
        return self.cell(self.predict(h) if self.impute else None, h)

    def towards(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """How fast states (..., H) are drawn, and where to."""
        return self.cell.towards(self.predict(h) if self.impute else None, h)

    def initial(self, events: Events) -> Tensor:
        """States (B, H) at the start."""
        batch = len(events.lengths)
        given = events.covariates
        if given is None:
            given = torch.zeros(batch, self.sizes.cov, device=events.lengths.device)
        if given.shape != (batch, self.sizes.cov):
            raise ModelError(
                f"the covariates have shape {tuple(given.shape)}, not {(batch, self.sizes.cov)}"
            )
        return self.first(given.to(self.dtype))

    def forward(self, events: Events) -> Followed:
        """Follow a batch from its start to its end.

        Raises:
            ModelError: if the number of features or covariates is another than the model's, a gap
                is too long, or the state or a loss overflows (naming sample and row).
        """
        self.check(events)
        followed = self.follow(events)
        self.refuse_overflow(events, followed)
        return followed

    def follow(self, events: Events) -> Followed:
        """``forward`` with nothing checked, neither the batch nor overflow.

        With a fixed number of ``steps`` no value then decides what is done, as ``torch.func.vmap``
        and CUDA graphs need it.
        """
        plan = self.plan(events)
        x = events.values.to(self.dtype).transpose(0, 1)
        observed = events.observed.to(self.dtype).transpose(0, 1)
        real = events.real.T.unsqueeze(-1)
        h = self.initial(events)
        last, predicted, after = in_blocks(self, h, plan, x, observed, real)
        states = torch.cat((h.unsqueeze(0), after)).transpose(0, 1)
        end = self.flow(last, plan.dt[-1], plan.count[-1], plan.most[-1])
        return self.judged(events, end, predicted.transpose(0, 1), states)

    def judged(self, events: Events, h: Tensor, predicted: Tensor, states: Tensor) -> Followed:
        """Losses and logits of the states that a walk over the events has passed."""
        x = events.values.to(self.dtype)
        observed = events.observed.to(self.dtype)
        nll = gaussian_nll(x, *predicted.chunk(2, -1), observed)
        corrected = self.predict(states[:, 1:])
        kl = gaussian_kl(x, *corrected.chunk(2, -1), observed, self.noise)
        nll, kl = nll.flatten(1).sum(1), kl.flatten(1).sum(1)
        count = events.observed.flatten(1).sum(1)
        return Followed(h, self.classify(h), nll, kl, count, predicted, states)

    def flow(self, h: Tensor, dt: Tensor, count: Tensor, most: int) -> Tensor:
        """The states after a gap of each, by its plan: (..., 1), (..., 1) and the largest count."""
        params = tuple(self.parameters()) if self.stepping.adaptive else ()
        derivative = self.towards if self.stepping.relaxes else self.field
        return self.stepping.advance(derivative, h, dt, count, most, params)

    def plan(self, events: Events) -> Plan:
        """The steps over all gaps of a batch."""
        dt, count = self.stepping.plan(events.gaps)
        fixed = self.stepping.steps
        most = [int(n) for n in count.amax(0)] if fixed is None else [fixed] * count.shape[1]
        dt, count = (y.T.unsqueeze(-1).to(self.dtype) for y in (dt, count))
        return Plan(dt, count, most)

    def check(self, events: Events) -> None:
        """ModelError if a batch has another number of features."""
        if events.values.shape[-1] != self.sizes.features:
            raise ModelError(
                f"the events have {events.values.shape[-1]} features, the model "
                f"{self.sizes.features}"
            )

    @torch.no_grad()
    def refuse_overflow(self, events: Events, followed: Followed) -> None:
        """ModelError naming sample and row where a state is beyond ``FAR`` or a loss not finite."""

        h, states = followed.h, followed.after

        def near(states: Tensor) -> Tensor:
            return (states.abs() < FAR).all(-1)  # false of NaN as well

        good = near(h) & near(states).all(1) & followed.nll.isfinite() & followed.kl.isfinite()
        if good.all():
            return
        k = int((~good).nonzero()[0])
        lost = (~near(states[k])).nonzero()
        row = int(lost[0]) - 1 if len(lost) else None
        if row is None and not near(h[k]):
            row = int(events.lengths[k])
        if row is None:
            raise ModelError(f"a loss of sample {k} overflows: scale its values to about 1")
        raise ModelError(
            f"the state of sample {k} overflows in the gap of {float(events.gaps[k, row]):g} "
            f"before row {row}: take shorter steps there (delta_t), or other units of time"
        )


def two_layers(inputs: int, hidden: int, outputs: int, dtype: torch.dtype) -> nn.Sequential:
    """Affine, ReLU, affine."""
    return nn.Sequential(
        nn.Linear(inputs, hidden, dtype=dtype),
        nn.ReLU(),
        nn.Linear(hidden, outputs, dtype=dtype),
    )
