"""The test digits that most of the recorded convolutional networks of ``mnist`` mistake.

The variants count the networks after 8 and after 16 epochs: three ResNets, three RK-Nets of two
fixed steps and three of Dormand-Prince. The digits themselves are recorded, so that a page can
show them where the test images are not at hand.

Metrics: ``networks``; ``mistaken``, digits that at least one mistakes; ``by_all``, digits that all
mistake; ``mean``, mistakes of a network on average; and ``confusion``, a table of ten rows (label)
and ten columns (class given) with the mistakes of all networks added up.

The history lists the 16 hardest digits, by ``number`` of the test image, ``label``, the class that
most of those who erred gave it (``given``) and how many erred (``votes``). The recorded tensor
``images`` holds them, as bytes (16, 28, 28).
"""

from collections import Counter

import numpy as np
import torch

from nodebook.evidence import results
from nodebook.experiments.ch07_mnist.mnist import CONVOLUTIONAL
from nodelib import data

VARIANTS = ("mistakes", "mistakes.continued")
SEEDS = (0,)
NEEDS = ("mnist",)

SHOWN = 16


def run(variant: str, seed: int) -> results.Outcome:
    """Count the recorded mistakes, and fetch the digits."""
    digits = data.mnist(allow_standin=False)
    more = ".continued" * variant.endswith(".continued")
    runs = [run for kind in CONVOLUTIONAL for run in results.read("mnist", kind + more)]
    metrics, hardest = counted([run.history["mistakes"] for run in runs])
    images = digits.test_images[[digit["number"] for digit in hardest]]
    return results.Outcome(
        metrics=metrics,
        history=hardest,
        tensors={"images": torch.from_numpy(images)},
        data=[digits.provenance],
    )


def counted(
    mistakes: list[list[list[int]]],
) -> tuple[dict[str, object], list[dict[str, int]]]:
    """Metrics and hardest digits of the mistakes (number, label, given class) of some networks."""
    every = [tuple(mistake) for own in mistakes for mistake in own]
    votes = Counter(number for number, _, _ in every)
    labels = {number: label for number, label, _ in every}
    answers = Counter((number, given) for number, _, given in every)
    confusion = np.zeros((10, 10), int)
    for _, label, given in every:
        confusion[label, given] += 1
    hardest = [
        {
            "number": number,
            "label": labels[number],
            "given": max(range(10), key=lambda given: answers[number, given]),
            "votes": votes[number],
        }
        for number in sorted(votes, key=lambda number: (-votes[number], number))[:SHOWN]
    ]
    return {
        "networks": len(mistakes),
        "mistaken": len(votes),
        "by_all": sum(count == len(mistakes) for count in votes.values()),
        "mean": len(every) / len(mistakes),
        "confusion": confusion.tolist(),
    }, hardest
