"""What the classifiers of digits keep between the passes, and compute, against their depth.

Bytes for a batch of 128 MNIST images, without the parameters themselves, counted by walking the
graph (``nodebook.benchmarks.differentiation.kept_bytes``). The networks are untrained, for the
bytes do not depend on the weights; but how many steps an adaptive solve takes does, so the ODE-Nets
of the table are the recorded ones of seed 0. Depth is the number of blocks of the ResNet, and of
steps of the classical Runge-Kutta method between 0 and 1, each of four evaluations.

Metrics:

- ``resnet.<blocks>`` and ``<mode>.<steps>``: bytes kept by the part between the reduction of the
  image and the last layer, for each mode of gradient of the ODE
- ``growth.resnet`` and ``growth.<mode>``: "constant", "linear" or "between", from 2 to 32
- ``operations.<name>.<depth>``: floating-point operations of both passes of that part in products
  of matrices and convolutions, as PyTorch counts them, and ``operations_growth.<name>``, for the
  ResNet and the ODE that is backpropagated
- ``network.<name>``: bytes kept by a whole network: mlp, resnet, rk-net, and ode-net.<mode> at the
  tolerance that it was trained with; ``reduction`` those of the reduction alone;
  ``network.resnet.torch`` those of the ResNet with PyTorch's own layers, which keep less than our
  products of matrices
- ``of_resnet.<mode>``: bytes of the whole ODE-Net over those of the latter
- ``block`` and ``state``: bytes of one residual block, and of the maps of the batch
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nodebook.benchmarks.differentiation import MODES, kept_bytes
from nodebook.benchmarks.growth import growth
from nodebook.evidence import results
from nodebook.experiments.ch07_mnist.mnist import restored
from nodelib import data
from nodelib.data.digits import Mnist
from nodelib.models.blocks import ODEBlock
from nodelib.models.classifiers import BLOCKS, SOLVERS, classifier, seeded
from nodelib.models.conv.small_maps import CHANNELS, GROUPS, ConvField, ResidualMaps

VARIANTS = ("kept",)
SEEDS = (0,)
NEEDS = ("mnist",)

IMAGES = 128
DEPTHS = (1, 2, 4, 8, 16, 32)
SHALLOW = DEPTHS[:3]
PART = "depths up to 4"


def run(variant: str, seed: int) -> results.Outcome:
    """Count."""
    mnist = data.mnist(allow_standin=False)
    return results.Outcome(metrics=counted(mnist, seed, DEPTHS), data=[mnist.provenance])


def rederive(recorded: results.Run) -> dict[str, object]:
    """The metrics but those of the deepest, and of the growth up to them."""
    return counted(data.mnist(allow_standin=False), recorded.seed, SHALLOW)


def rederive_all(recorded: results.Run) -> dict[str, object]:
    """All metrics."""
    return run(recorded.variant, recorded.seed).metrics


def counted(mnist: Mnist, seed: int, depths: Sequence[int]) -> dict[str, object]:
    """All metrics, with the body of these depths."""
    images = torch.from_numpy(mnist.train_images[:IMAGES]) / 255
    with seeded(seed):
        state = classifier("resnet", seed=seed).maps(images).detach()
        metrics = {**by_depth(state, depths), **whole(images)}
    one, other = depths[-2:]
    each = metrics[f"resnet.{other}"] - metrics[f"resnet.{one}"]
    metrics["block"] = each // (other - one)
    return metrics


def by_depth(state: Tensor, depths: Sequence[int] = DEPTHS) -> dict[str, object]:
    """Bytes and operations of the body at every depth, from the maps that it starts with."""
    makers: dict[str, Callable[[int], nn.Module]] = {
        "resnet": lambda count: nn.Sequential(*(ResidualMaps() for _ in range(count)))
    }
    for mode in MODES:
        makers[mode] = lambda count, mode=mode: ODEBlock(
            ConvField(), method="rk4", options={"num_steps": count}, grad=mode
        )
    metrics: dict[str, object] = {"state": state.nbytes}
    deep = depths[-1] >= 10 * depths[0]  # less does not tell what grows
    for name, make in makers.items():
        found = [kept(make(count), state) for count in depths]
        metrics |= {f"{name}.{count}": x for count, x in zip(depths, found, strict=True)}
        if deep:
            metrics[f"growth.{name}"] = growth(depths, found)
    for name in ("resnet", "backprop"):
        found = [operations(makers[name](count), state) for count in depths]
        metrics |= {f"operations.{name}.{n}": x for n, x in zip(depths, found, strict=True)}
        if deep:
            metrics[f"operations_growth.{name}"] = growth(depths, found)
    return metrics


def whole(images: Tensor) -> dict[str, object]:
    """Bytes of whole networks, the ODE-Net in every mode."""
    metrics: dict[str, object] = {}
    for kind in ("mlp", "resnet", "rk-net"):
        metrics[f"network.{kind}"] = kept(classifier(kind, seed=0), images)
    metrics["network.resnet.torch"] = kept(torch_resnet(), images)
    network = restored(results.one("mnist", "ode-net", 0))
    for mode in MODES:
        network.body.settings = {**SOLVERS["ode-net"], "grad": mode}
        metrics[f"network.ode-net.{mode}"] = kept(network, images)
        of_torch = metrics[f"network.ode-net.{mode}"] / metrics["network.resnet.torch"]
        metrics[f"of_resnet.{mode}"] = of_torch
    metrics["reduction"] = kept_bytes(network.maps(images), list(network.parameters()))
    return metrics


class TorchBlock(nn.Module):
    """A residual block of PyTorch's layers, on maps (n, 64, 6, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(
                layer
                for _ in range(2)
                for layer in (
                    nn.GroupNorm(GROUPS, CHANNELS),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False),
                )
            )
        )

    def forward(self, z: Tensor) -> Tensor:
        """The output of the block."""
        return z + self.change(z)


def torch_resnet() -> nn.Module:
    """The ResNet with PyTorch's layers throughout."""
    network = classifier("resnet", seed=0)
    return nn.Sequential(
        nn.Unflatten(1, (1, -1)),
        network.reduction,
        *(TorchBlock() for _ in range(BLOCKS)),
        nn.GroupNorm(GROUPS, CHANNELS),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        network.readout,
    )


def kept(module: nn.Module, inputs: Tensor) -> int:
    """Bytes that a module keeps for its backward pass."""
    return kept_bytes(module(inputs), list(module.parameters()))


def operations(module: nn.Module, inputs: Tensor) -> int:
    """Floating-point operations of both passes of a module."""
    start = inputs.detach().requires_grad_()
    with FlopCounterMode(display=False) as counter:
        module(start).sum().backward()
    return counter.get_total_flops()
