"""Four classifiers of digits: MLP, ResNet, RK-Net and ODE-Net (Chen et al. 2018, table 1).

The three convolutional ones share the reduction of a 28 x 28 image to 64 maps of 6 x 6 pixels and
the last layer. Between them stand six residual blocks, or one ODE block from t = 0 to 1: solved by
a Runge-Kutta method on a fixed grid (RK-Net) or by an adaptive one (ODE-Net). RK-Net and ODE-Net
have the same field and so the same parameters; a trained one can be given the other's solver.

Small maps are kept pixels first, (36, n, 64); see ``nodelib.winograd``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nodelib.errors import ModelError
from nodelib.gradients import integrate
from nodelib.networks import MLP
from nodelib.normalisation import group_norm
from nodelib.solvers import SolveStats
from nodelib.winograd import convolve, kernel_products

PIXELS, CLASSES, HIDDEN = 28, 10, 300
CHANNELS, GROUPS, SIDE = 64, 32, 6
BLOCKS = 6
MEAN, DEVIATION = 0.1307, 0.3081
"""Of the pixels of the MNIST training images, between 0 and 1."""


class Norm(nn.Module):
    """Group normalisation of small maps, with a ReLU where ``rectified``."""

    def __init__(self, *, rectified: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(CHANNELS))
        self.bias = nn.Parameter(torch.zeros(CHANNELS))
        self.rectified = rectified

    def forward(self, maps: Tensor) -> Tensor:
        """(36, n, 64) to the same shape."""
        return group_norm(maps, self.weight, self.bias, GROUPS, rectified=self.rectified)


class ConvField(nn.Module):
    """The field of RK-Net and ODE-Net: norm, ReLU, convolution, twice, and a last norm.

    Each convolution sees the time as one more map, constant over the image. A constant map
    convolved is the time multiplied by one fixed map, so nothing is concatenated here: the result
    is the same, and the first input channel of the kernels (64, 65, 3, 3) belongs to the time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(rectified=k < 2) for k in range(3))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(CHANNELS + 1, CHANNELS, 3, padding=1) for _ in range(2)
        )

    def kernels(self) -> tuple[Tensor, ...]:
        """What a solve needs of the convolutions, the same at every time: compute it once.

        For each the products (64, 64, 64), the map of the time (36, 1, 64) and the bias (64,).
        """
        found: list[Tensor] = []
        for convolution in self.convolutions:
            weight = convolution.weight
            ones = weight.new_ones(1, 1, SIDE, SIDE)
            of_time = nn.functional.conv2d(ones, weight[:, :1], padding=1)
            of_time = of_time.reshape(CHANNELS, 1, SIDE**2).permute(2, 1, 0)
            found += [kernel_products(weight[:, 1:], SIDE), of_time, convolution.bias]
        return tuple(found)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at time ``t`` and maps (36, n, 64)."""
        return self.at(t, z, self.kernels())

    def at(self, t: Tensor, z: Tensor, kernels: tuple[Tensor, ...]) -> Tensor:
        """The same with ``kernels()`` at hand."""
        for k in range(2):
            products, of_time, bias = kernels[3 * k : 3 * k + 3]
            z = convolve(self.norms[k](z), products) + (t * of_time + bias)
        return self.norms[2](z)


class ResidualMaps(nn.Module):
    """``z + conv(relu(norm(conv(relu(norm(z))))))`` on small maps (36, n, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(rectified=True) for _ in range(2))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False) for _ in range(2)
        )

    def forward(self, z: Tensor) -> Tensor:
        """The output of the block, of the shape of ``z``."""
        change = z
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            change = convolve(norm(change), kernel_products(convolution.weight, SIDE))
        return z + change


class ConvODE(nn.Module):
    """``z(0) -> z(1)`` along a ``ConvField``.

    ``settings`` are the keyword arguments of ``nodelib.odeint``: they hold no parameters and may be
    changed after training.

    Attributes:
        stats: the cost of the last forward pass; ``backward`` lists that of its backward passes.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.f, self.settings = ConvField(), settings
        self.stats: SolveStats | None = None
        self.backward: list[SolveStats] = []

    def forward(self, z: Tensor) -> Tensor:
        """The maps (36, n, 64) at t = 1."""
        return self.states(z, (0.0, 1.0))[-1]

    def states(self, z: Tensor, times: tuple[float, ...]) -> Tensor:
        """The maps at several times, the first of which belongs to ``z``: (times, 36, n, 64)."""
        kernels = self.f.kernels()
        params = (*kernels, *self.f.norms.parameters())

        def field(t: Tensor, z: Tensor) -> Tensor:
            return self.f.at(t, z, kernels)

        clock = torch.tensor(times, dtype=torch.float64)
        solution = integrate(field, z, clock, params=params, **self.settings)
        self.stats, self.backward = solution.stats, solution.backward
        return solution.z


class ConvClassifier(nn.Module):
    """Reduction of the image, ``body`` on small maps, mean over the pixels, and a linear layer."""

    def __init__(self, body: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.reduction = nn.Sequential(
            nn.Conv2d(1, CHANNELS, 3),
            nn.GroupNorm(GROUPS, CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
            nn.GroupNorm(GROUPS, CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1),
        )
        self.body = body()
        self.norm = Norm(rectified=True)
        self.readout = nn.Linear(CHANNELS, CLASSES)

    def maps(self, images: Tensor) -> Tensor:
        """Small maps (36, n, 64) of images (n, 28, 28) with pixels between 0 and 1."""
        maps = self.reduction(standardised(images).unsqueeze(1))
        return maps.flatten(2).permute(2, 0, 1).contiguous()

    def scores(self, maps: Tensor) -> Tensor:
        """Scores (n, 10) of the maps that the body gives."""
        return self.readout(self.norm(maps).mean(0))

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n, 10) of images (n, 28, 28) with pixels between 0 and 1."""
        return self.scores(self.body(self.maps(images)))


class MLPClassifier(nn.Module):
    """One hidden layer of 300 rectified units."""

    def __init__(self) -> None:
        super().__init__()
        seed = int(torch.randint(2**31, ()))
        self.layers = MLP((PIXELS**2, HIDDEN, CLASSES), "relu", seeds=seed)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n, 10) of images (n, 28, 28) with pixels between 0 and 1."""
        return self.layers(standardised(images).flatten(1))


def standardised(images: Tensor) -> Tensor:
    """Pixels with the mean and standard deviation of MNIST's taken out.

    Raises:
        ModelError: if they are not images (n, 28, 28).
    """
    if images.dim() != 3 or images.shape[1:] != (PIXELS, PIXELS):
        raise ModelError(f"images must have shape (n, 28, 28), not {tuple(images.shape)}")
    return (images - MEAN) / DEVIATION


SOLVERS: Mapping[str, Mapping[str, Any]] = {
    "rk-net": {"method": "rk4", "options": {"num_steps": 2}, "grad": "backprop"},
    "ode-net": {"method": "dopri5", "rtol": 1e-2, "atol": 1e-2, "grad": "backprop"},
}

KINDS: Mapping[str, Callable[[], nn.Module]] = {
    "mlp": MLPClassifier,
    "resnet": lambda: ConvClassifier(
        lambda: nn.Sequential(*(ResidualMaps() for _ in range(BLOCKS)))
    ),
    "rk-net": lambda: ConvClassifier(lambda: ConvODE(**SOLVERS["rk-net"])),
    "ode-net": lambda: ConvClassifier(lambda: ConvODE(**SOLVERS["ode-net"])),
}


def classifier(kind: str, *, seed: int) -> nn.Module:
    """An untrained classifier of one of ``KINDS``; the same seed gives the same start.

    Raises:
        ModelError: if there is no such kind.
    """
    if kind not in KINDS:
        raise ModelError(f"there is no classifier {kind!r}; there are {', '.join(KINDS)}")
    with seeded(seed):
        return KINDS[kind]()


def parameter_count(module: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(value.numel() for value in module.parameters())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's own generator, set to a seed and put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
