"""Is a network with an ODE level with the ResNet? The recorded classifiers on the same images.

``ode-net`` and ``rk-net`` are both RK-Nets in the paper's sense, see ``mnist``.

Two networks that were trained from the same seed are compared image by image. Only the images that
one of them mistakes and the other does not tell them apart: if the networks were equally good, each
of these would be as likely to speak for one as for the other. The p value is that of McNemar's test
in its exact, binomial form, two-sided (Dietterich 1998).

The variant ``pairs`` compares the networks after 8 epochs, ``pairs.continued`` after 16, with the
one MLP in both.

Metrics of one seed, for each of ``PAIRS``, named ``<one>.<other>``:

- ``only.<one>.<other>``: images that ``one`` mistakes and ``other`` does not, and the other way
  round under ``only.<other>.<one>``; ``both.<one>.<other>``: images that both mistake
- ``excess.<pair>``: error of the first less that of the second, in percentage points
- ``p.<pair>``
- ``verdict.<pair>``: "lower", "higher" or "no difference", for the error of the first, at p < 0.05
- ``parameters.<pair>``: parameters of the first over those of the second

and ``millions.<kind>``, the parameters of a network in millions.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from nodebook.evidence import results
from nodebook.experiments.ch07_mnist.mnist import trained
from nodelib import data

VARIANTS = ("pairs", "pairs.continued")
SEEDS = (0, 1, 2)
NEEDS = ("mnist",)

PAIRS = (("ode-net", "resnet"), ("ode-net", "rk-net"), ("rk-net", "resnet"), ("ode-net", "mlp"))
LEVEL = 0.05


def run(variant: str, seed: int) -> results.Outcome:
    """Compare the recorded predictions."""
    mnist = data.mnist(allow_standin=False)
    recorded = trained(seed, continued=variant.endswith(".continued"))
    metrics: dict[str, object] = {
        f"millions.{kind}": found.parameters / 1e6 for kind, found in recorded.items()
    }
    wrong = {
        kind: found.tensors()["predictions"].numpy() != mnist.test_labels
        for kind, found in recorded.items()
    }
    for pair in PAIRS:
        parameters = [recorded[kind].parameters for kind in pair]
        metrics |= compared(pair, [wrong[kind] for kind in pair], parameters)
    return results.Outcome(metrics=metrics, data=[mnist.provenance])


def compared(
    pair: tuple[str, str], wrong: Sequence[np.ndarray], parameters: Sequence[int]
) -> dict[str, object]:
    """Metrics of a pair, from which images (n,) each of the two mistakes."""
    first, second = wrong
    only_first, only_second = (int((a & ~b).sum()) for a, b in ((first, second), (second, first)))
    p = mcnemar(only_first, only_second)
    better = "lower" if only_first < only_second else "higher"
    name = ".".join(pair)
    return {
        f"only.{pair[0]}.{pair[1]}": only_first,
        f"only.{pair[1]}.{pair[0]}": only_second,
        f"both.{name}": int((first & second).sum()),
        f"excess.{name}": 100 * (only_first - only_second) / len(first),
        f"p.{name}": p,
        f"verdict.{name}": better if p < LEVEL else "no difference",
        f"parameters.{name}": parameters[0] / parameters[1],
    }


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p value of two numbers of images on which just one of two classifiers errs."""
    count = only_first + only_second
    return float(binomtest(only_first, count).pvalue) if count else 1.0
