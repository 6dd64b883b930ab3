"""Plain and residual networks of growing depth, trained on MNIST digits.

The networks are those of ``nodelib.models.dense``, 20 units wide, on digits reduced to 14 x 14
pixels: the first 10,000 training images train, the images 50,000 to 54,999 choose. Every kind and
depth gets the same steps, batches of 128, Adam with gradients clipped at norm 1, a one-cycle
schedule, and the peak rate of ``RATES`` with the least mean validation error over the seeds. Then,
and only then, the test images are looked at, once. Weights are rounded to half precision before
anything is measured.

Metrics of one seed, errors in percent:

- ``train_error.<kind>.<depth>`` and ``validation_error``, ``test_error``; ``rate`` likewise
- ``rise.<kind>``: training error of the deepest network less that of the best shallower one, and
  ``test_rise``; ``gain.<kind>``: that of the shallowest less that of the best deeper one, and
  ``test_gain``, whose best is picked on the test images, which makes it an upper estimate;
  ``best_depth.<kind>``: where the training error is least
- ``with_depth.<kind>``: what the training error does from each depth to the next, "falls" or
  "rises" throughout, or "falls, then rises" and so on
- ``gradient.<kind>.<depth>``: norm of the loss gradient in the first square matrix before training,
  on 1,024 images, and ``gradient_ratio``: that over the norm in the last
- ``constructed.*``: the trained plain network of depth ``SHALLOW`` with identity layers added up to
  the greatest depth: ``train_error``, ``same`` (whether it errs on exactly the same number of
  training images), ``scores`` (largest relative difference of the scores), and
  ``trained_excess``: how much more the trained network of that depth errs
- ``similarity.<depth>``: mean cosine between the matrices of successive residual blocks, and
  ``similarity_at_start`` before training

The history has the validation errors of every rate (but those at which all networks diverged) and
seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy

from nodebook.evidence import results
from nodelib import data
from nodelib.data.digits import Mnist
from nodelib.errors import ModelError
from nodelib.models.dense import KINDS, DenseNetwork, deepened
from nodelib.models.networks import load_weights, member_weights
from nodelib.seeds import generator
from nodelib.training import Recipe, train

VARIANTS = ("depth",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ("mnist",)
TOLERANCE = {
    "*_error.*": 0.05,
    "*rise.*": 0.05,
    "*gain.*": 0.05,
    "constructed.scores": 1e9,
    "constructed.*": 0.05,
    "gradient*": 1e-2,
    "similarity*": 1e-3,
}
BY_PROCESSOR = ("gradient*.plain.64",)
"""Sixty-four plain layers are chaotic: the rounding of a standardised pixel in single precision,
which processors do differently, changes these gradients by a factor of up to two."""

DEPTHS = (2, 4, 8, 16, 32, 64)
SHALLOW = 4
RATES = (3e-3, 1e-2, 3e-2, 1e-1)
STEPS, BATCH = 1000, 128
TRAIN, VALIDATION = slice(0, 10_000), slice(50_000, 55_000)


@dataclass(frozen=True)
class Digits:
    """Standardised images (n, 196) and labels (n,) of the parts of a split."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, mnist: Mnist, train: slice = TRAIN, validation: slice = VALIDATION) -> "Digits":
        """Slices of the training images, and all test images, as the mean of 2 x 2 pixels."""
        pixels = _reduced(mnist.train_images[train])
        shift, scale = pixels.mean(), pixels.std()
        images = [pixels, *map(_reduced, (mnist.train_images[validation], mnist.test_images))]
        labels = mnist.train_labels[train], mnist.train_labels[validation], mnist.test_labels
        parts = zip(images, labels, strict=True)
        return cls(*(((x - shift) / scale, torch.from_numpy(y.astype(np.int64))) for x, y in parts))


def _reduced(images: np.ndarray) -> Tensor:
    pixels = torch.from_numpy(images).to(torch.float32).div(255)
    return avg_pool2d(pixels.unsqueeze(1), 2).flatten(1)


def fit(kind: str, depth: int, seeds: Sequence[int], digits: Digits, recipe: Recipe):
    """Train networks of one kind and depth side by side; returns them and their history."""
    network = DenseNetwork(kind, depth, seeds=seeds)
    images, labels = digits.train

    def loss(step: int) -> Tensor:
        drawn = [torch.randint(len(labels), (BATCH,), generator=generator(s, step)) for s in seeds]
        index = torch.stack(drawn)
        scores = network(images[index])
        losses = cross_entropy(scores.flatten(0, 1), labels[index].flatten(), reduction="none")
        return losses.reshape(len(seeds), -1).mean(1)

    history = train(network, loss, recipe, members=len(seeds), label=f"{kind} {depth}")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    return network, history


@torch.no_grad()
def errors(network: DenseNetwork, digits: Digits, part: str) -> list[float]:
    """Percent of a part's images that each network mistakes; moments are of all training images."""
    moments = None if network.kind == "bare" else network.moments(digits.train[0])
    images, labels = getattr(digits, part)
    wrong = network(images, moments).argmax(-1) != labels
    return (100 * wrong.double().mean(-1)).tolist()


def gradients(
    kind: str, depth: int, seed: int, digits: Digits, normalised: bool = True
) -> tuple[float, float]:
    """Norms of the loss gradient in the first and in the last square matrix, before training."""
    # in double precision, since the gradients of deep bare networks leave the range of single
    network = DenseNetwork(kind, depth, seeds=[seed], normalised=normalised).double()
    images, labels = (part[:1024] for part in digits.train)
    loss = cross_entropy(network(images.double())[0], labels)
    (gradient,) = torch.autograd.grad(loss, [network.weight])
    norms = gradient[0].flatten(1).norm(dim=1)
    return float(norms[0]), float(norms[-1])


@torch.no_grad()
def construction(network: DenseNetwork, digits: Digits, depth: int) -> dict[str, object]:
    """Training error of a plain network alone, before and after identity layers are added."""
    images, labels = digits.train
    moments = network.moments(images)
    deep, deep_moments = deepened(network, moments, depth)
    before, after = network(images, moments), deep(images, deep_moments)
    wrong = [(scores.argmax(-1) != labels).double().mean().item() for scores in (before, after)]
    return {
        "constructed.train_error": 100 * wrong[1],
        "constructed.same": wrong[0] == wrong[1],
        "constructed.scores": float((after - before).abs().max() / before.abs().max()),
    }


def similarity(weight: Tensor) -> float:
    """Mean cosine between successive matrices of (n, a, b)."""
    rows = weight.flatten(1).double()
    rows = rows / rows.norm(dim=1, keepdim=True)
    return float((rows[1:] * rows[:-1]).sum(1).mean())


def rise(values: Sequence[float]) -> float:
    """The last value less the least of those before it."""
    return values[-1] - min(values[:-1])


def course(values: Sequence[float]) -> str:
    """How a sequence runs: "falls", "rises", or "falls, then rises" and so on."""
    words = ["falls" if b < a else "rises" if b > a else "stays" for a, b in pairwise(values)]
    runs = [word for k, word in enumerate(words) if k == 0 or word != words[k - 1]]
    return ", then ".join(runs)


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train everything at every rate, choose the rates by validation error, and test."""
    mnist = data.mnist(allow_standin=False)
    digits = Digits.of(mnist)
    tuning, rates, tensors = {}, {}, {seed: {} for seed in seeds}
    losses = {seed: {} for seed in seeds}
    for kind in KINDS:
        for depth in DEPTHS:
            tried = {}
            for rate in RATES:
                recipe = Recipe(STEPS, rate, "one-cycle", clip=1.0)
                try:
                    network, history = fit(kind, depth, seeds, digits, recipe)
                except ModelError:  # no network of this rate has a finite loss any more
                    continue
                tried[rate] = errors(network, digits, "validation"), network, history
            best = min(tried, key=lambda rate: sum(tried[rate][0]))
            name = f"{kind}.{depth}"
            tuning[name] = {f"{rate:g}": found for rate, (found, _, _) in tried.items()}
            rates[f"rate.{name}"] = best
            for k, seed in enumerate(seeds):
                own = member_weights(tried[best][1], k)
                tensors[seed] |= {f"{name}.{key}": value.half() for key, value in own.items()}
                losses[seed][name] = tried[best][2].thinned(k, 30)
    return {
        seed: results.Outcome(
            metrics={**rates, **measures(tensors[seed], seed, digits)},
            history={"validation_error": tuning, "losses": losses[seed]},
            tensors=tensors[seed],
            parameters=sum(value.numel() for value in tensors[seed].values()),
            data=[mnist.provenance],
        )
        for seed in seeds
    }


def rederive(recorded: results.Run) -> dict[str, object]:
    """Everything but the rates, from the weights."""
    digits = Digits.of(data.mnist(allow_standin=False))
    return measures(recorded.tensors(), recorded.seed, digits)


def restored(weights: Mapping[str, Tensor], kind: str, depth: int) -> DenseNetwork:
    """The recorded network of one kind and depth, alone."""
    prefix = f"{kind}.{depth}."
    own = {
        name.removeprefix(prefix): value.float().unsqueeze(0)
        for name, value in weights.items()
        if name.startswith(prefix)
    }
    return load_weights(DenseNetwork(kind, depth, seeds=[0]), own)


def measures(weights: Mapping[str, Tensor], seed: int, digits: Digits) -> dict[str, object]:
    """All metrics of one seed but the rates."""
    metrics: dict[str, object] = {}
    for kind in KINDS:
        networks = [restored(weights, kind, depth) for depth in DEPTHS]
        for part in ("train", "validation", "test"):
            found = [errors(network, digits, part)[0] for network in networks]
            name = f"{part}_error.{kind}"
            metrics |= {f"{name}.{d}": e for d, e in zip(DEPTHS, found, strict=True)}
            prefix = {"train": "", "test": "test_"}.get(part)
            if prefix is not None:
                metrics[f"{prefix}rise.{kind}"] = rise(found)
                metrics[f"{prefix}gain.{kind}"] = rise(found[::-1])
            if part == "train":
                metrics[f"best_depth.{kind}"] = DEPTHS[found.index(min(found))]
                metrics[f"with_depth.{kind}"] = course(found)
        for depth in DEPTHS[1:]:
            first, last = gradients(kind, depth, seed, digits)
            metrics[f"gradient.{kind}.{depth}"] = first
            metrics[f"gradient_ratio.{kind}.{depth}"] = first / last
    shallow = restored(weights, "plain", SHALLOW)
    metrics |= construction(shallow, digits, DEPTHS[-1])
    trained = metrics[f"train_error.plain.{DEPTHS[-1]}"]
    metrics["constructed.trained_excess"] = trained - metrics["constructed.train_error"]
    for depth in DEPTHS[2:]:
        matrices = weights[f"residual.{depth}.weight"]
        metrics[f"similarity.{depth}"] = similarity(matrices)
        start = DenseNetwork("residual", depth, seeds=[seed]).weight[0].detach()
        metrics[f"similarity_at_start.{depth}"] = similarity(start)
    return metrics
