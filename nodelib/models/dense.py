"""Deep classifiers of equally wide layers, plain and residual, several side by side.

After an affine map from the input come ``depth - 1`` equal blocks, a last activation, and an affine
map to the classes. With ``h`` the state, ``W`` a square matrix and ``N`` batch normalisation, a
block is

- ``"bare"``: ``W relu(h + b)``, initial weights uniform within ``1 / sqrt(width)``,
- ``"plain"``: ``W relu(N(h))``, initial weights normal with variance ``2 / width``,
- ``"residual"``: ``h + W relu(N(h))``, otherwise as "plain".

Between two matrices stands the same in "plain" as where the activation is written at the end of a
layer; written first, "plain" and "residual" differ by nothing but the sum. Initialisation and
normalisation are those with which He et al. 2016 made plain networks converge; the order is that of
their later paper on identity mappings (ECCV 2016). Chapter 01.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from nodelib.errors import ModelError
from nodelib.models.networks import member_count

KINDS = ("bare", "plain", "residual")
EPSILON = 1e-5

#: Mean and variance of every normalised layer, both of shape (layers, S, width).
Moments = tuple[Tensor, Tensor]


class DenseNetwork(nn.Module):
    """S networks side by side; see the module for what they are.

    Args:
        kind: one of ``KINDS``.
        depth: number of layers of ``width`` units, at least 1.
        seeds: one for each network; network k starts as it would alone.
        inputs, width, classes: numbers of units.
        normalised: whether ``N`` is there; "bare" has none in any case.

    Raises:
        ModelError: for an unknown kind, no seed, or a size that is not positive.
    """

    def __init__(
        self,
        kind: str,
        depth: int,
        *,
        seeds: Sequence[int],
        inputs: int = 196,
        width: int = 20,
        classes: int = 10,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ModelError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
        if min(depth, inputs, width, classes) < 1 or not seeds:
            raise ModelError("depth, inputs, width, classes and the number of seeds must be >= 1")
        self.kind, self.depth, self.width = kind, depth, width
        self.members = len(seeds)
        self.normalised = normalised and kind != "bare"
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def draw(outputs: int, fan: int, copies: int | None = None) -> Tensor:
            shape = (outputs, fan) if copies is None else (copies, outputs, fan)
            if kind == "bare":
                rows = [(2 * torch.rand(shape, generator=g) - 1) * fan**-0.5 for g in generators]
            else:
                rows = [torch.randn(shape, generator=g) * (2 / fan) ** 0.5 for g in generators]
            return torch.stack(rows)

        self.enter = nn.Parameter(draw(width, inputs))
        self.weight = nn.Parameter(draw(width, width, depth - 1))
        self.leave = nn.Parameter(draw(classes, width))
        self.leave_bias = nn.Parameter(torch.zeros(self.members, classes, 1))
        self.bias = nn.Parameter(torch.zeros(self.members, depth, width))
        if self.normalised:
            self.gain = nn.Parameter(torch.ones(self.members, depth, width))

    @property
    def count(self) -> int:
        """Parameters of one network."""
        return member_count(self)

    def forward(self, x: Tensor, moments: Moments | None = None) -> Tensor:
        """Scores (S, n, classes) of inputs (n, inputs) or (S, n, inputs).

        The normalisation takes mean and variance from this batch, or from ``moments``.
        """
        return self._walk(x, moments, None)

    @torch.no_grad()
    def moments(self, x: Tensor) -> Moments:
        """Mean and variance before each normalisation over the inputs (n, inputs)."""
        seen: list[tuple[Tensor, Tensor]] = []
        self._walk(x, None, seen)
        return torch.stack([mean for mean, _ in seen]), torch.stack([var for _, var in seen])

    def _walk(self, x: Tensor, moments: Moments | None, seen: list | None) -> Tensor:
        columns = x.mT if x.dim() == 3 else x.mT.expand(self.members, -1, -1)
        h = torch.bmm(self.enter, columns)
        for k, weight in enumerate(self.weight.unbind(1)):
            change = torch.bmm(weight, self._active(h, k, moments, seen))
            h = h + change if self.kind == "residual" else change
        last = self._active(h, self.depth - 1, moments, seen)
        return torch.baddbmm(self.leave_bias, self.leave, last).mT

    def _active(self, h: Tensor, k: int, moments: Moments | None, seen: list | None) -> Tensor:
        """The state ``h`` (S, width, n) of layer ``k``, normalised, shifted and rectified."""
        if not self.normalised:
            return torch.relu(h + self.bias[:, k, :, None])
        if seen is not None:
            seen.append((h.mean(-1), h.var(-1, correction=0)))
        flat = h.reshape(1, -1, h.shape[-1])
        gain, bias = self.gain[:, k].reshape(-1), self.bias[:, k].reshape(-1)
        mean, var = (None, None) if moments is None else (m[k].reshape(-1) for m in moments)
        out = batch_norm(flat, mean, var, gain, bias, training=moments is None, eps=EPSILON)
        return torch.relu(out).reshape(h.shape)


@torch.no_grad()
def deepened(network: DenseNetwork, moments: Moments, depth: int) -> tuple[DenseNetwork, Moments]:
    """A plain network with identity layers added behind its last, and the moments that go with it.

    The added matrices are the identity, and so is the added normalisation: its gain is the standard
    deviation and its shift the mean that it expects. What ``relu`` let through is not negative, so
    that the added ``relu`` changes nothing: He et al.'s solution by construction.

    Raises:
        ModelError: if the network is not plain, or is deeper already.
    """
    if network.kind != "plain" or depth < network.depth:
        raise ModelError("identity layers are added to a plain network that is not deeper already")
    added = depth - network.depth
    deep = DenseNetwork(
        "plain",
        depth,
        seeds=range(network.members),
        inputs=network.enter.shape[-1],
        width=network.width,
        classes=network.leave.shape[-2],
    )
    identity = torch.eye(network.width).expand(network.members, added, -1, -1)
    ones = torch.ones(network.members, added, network.width)
    deep.enter.copy_(network.enter)
    deep.weight.copy_(torch.cat((network.weight, identity), 1))
    deep.leave.copy_(network.leave)
    deep.leave_bias.copy_(network.leave_bias)
    deep.gain.copy_(torch.cat((network.gain, ones), 1))
    deep.bias.copy_(torch.cat((network.bias, 0 * ones), 1))
    mean, var = moments
    fresh = torch.zeros(added, network.members, network.width)
    # EPSILON is added to the variance: the normalisation divides by 1
    return deep, (torch.cat((mean, fresh)), torch.cat((var, fresh + 1 - EPSILON)))
