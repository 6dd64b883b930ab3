"""What keeps the first gradient level: initial weights, normalisation, or the sum.

Networks of ``depth_training`` before training, with one thing left out. ``depth_training`` records
the same norm for its three kinds: "bare" (PyTorch's default initial weights, no normalisation),
"plain" and "residual" (He's initial weights, normalised). Here the last two lose the normalisation
and keep their initial weights.

Metrics of one seed:

- ``gradient.<kind>.<depth>``: norm of the loss gradient in the first square matrix before training,
  on 1,024 images, without normalisation, for the kinds of ``KINDS``

Seconds for all seeds.
"""

from nodebook.evidence import results
from nodebook.experiments.ch01_residual.depth_training import DEPTHS, Digits, gradients
from nodelib import data

VARIANTS = ("unnormalised",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ("mnist",)
TOLERANCE = {"gradient*": 1e-2}  # float64, but 64 layers multiply what rounding does to a rectifier
KINDS = ("plain", "residual")


def run(variant: str, seed: int) -> results.Outcome:
    """The norms of one seed."""
    mnist = data.mnist(allow_standin=False)
    digits = Digits.of(mnist)
    norms = {
        kind: {
            str(depth): gradients(kind, depth, seed, digits, normalised=False)[0]
            for depth in DEPTHS[1:]
        }
        for kind in KINDS
    }
    return results.Outcome({"gradient": norms}, data=[mnist.provenance])
