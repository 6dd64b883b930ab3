"""A small variational autoencoder of handwritten digits: bound, samples, reconstructions.

Images are binary: a pixel is on with the probability that its grey value gives. Training draws the
pixels anew at each step; the test images are drawn once (``BINARY_SEED``), the same for all seeds.
One hidden layer of 96 each way, code of 10 numbers, Adam with a one-cycle schedule (peak 3e-3) for
10 epochs of batches of 128: fixed in advance to keep weights and time small, and not tuned. Weights
are kept, and all metrics computed, in half precision.

Metrics, in nats for one test image, of all 10,000, where nothing else is said:

- ``elbo``: the evidence lower bound, one draw of the code for each image
- ``reconstruction``, ``divergence``: its two parts
- ``importance``: the importance-weighted bound with 50 draws, of the first 2,000 test images
- ``elbo_same``: the evidence lower bound of those 2,000
- ``independent``: log-likelihood under independent pixels with the training means: what a model
  that knows nothing but the mean image scores
- ``gain``: ``elbo - independent``
- ``active``: numbers of the code whose mean varies over the test images with a variance above 0.01
- ``label_kept``: share of the first 1,000 test images whose reconstruction is nearest to a training
  image of their own class (Euclidean distance, 10,000 training images)
- ``label_kept_before``: the same for the binary images themselves
- ``sample_distance``: median distance of 1,000 samples (mean images of codes from the prior) to the
  nearest of these training images, over the same for the binary test images
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nodebook.evidence import results
from nodelib import data
from nodelib.models.latent.vae import VAE, bernoulli
from nodelib.models.networks import load_weights, member_weights
from nodelib.seeds import generator
from nodelib.training import History, Recipe, train

VARIANTS = ("mnist",)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ("mnist",)
TOLERANCE = {"label_kept*": 5e-3, "*": 1e-3}

PIXELS, HIDDEN, LATENT = 784, 96, 10
BATCH, EPOCHS, RATE = 128, 10, 3e-3
BINARY_SEED = 0
DRAWS, DRAWN_IMAGES = 50, 2000


def grey(images: np.ndarray) -> Tensor:
    """Images (n, 28, 28) of bytes as probabilities (n, 784)."""
    return torch.as_tensor(images.reshape(len(images), -1), dtype=torch.float32) / 255


def binary(images: np.ndarray, seed: int = BINARY_SEED) -> Tensor:
    """Images (n, 28, 28) with each pixel drawn on or off, (n, 784)."""
    return torch.bernoulli(grey(images), generator=generator(seed, 0))


def fit(
    images: np.ndarray, seeds: Sequence[int], recipe: Recipe, *, batch: int = BATCH
) -> tuple[VAE, History]:
    """Train autoencoders side by side, one for each seed, on images (n, 28, 28)."""
    model = VAE(PIXELS, HIDDEN, LATENT, seeds=seeds)
    shades = grey(images)

    def loss(step: int) -> Tensor:
        pictures, noise = [], []
        for seed in seeds:
            draw = generator(seed, step)
            which = torch.randint(len(shades), (batch,), generator=draw)
            pictures.append(torch.bernoulli(shades[which], generator=draw))
            noise.append(torch.randn(batch, LATENT, generator=draw))
        likelihood, divergence = model.bound(torch.stack(pictures), torch.stack(noise))
        return (divergence - likelihood).mean(-1)

    return model, train(model, loss, recipe, members=len(seeds), label="autoencoders")


def alone(weights: Mapping[str, Tensor]) -> VAE:
    """One autoencoder from its recorded weights."""
    model = VAE(PIXELS, HIDDEN, LATENT, seeds=[0])
    return load_weights(model, {name: value.float()[None] for name, value in weights.items()})


def run_together(variant: str, seeds: Sequence[int]) -> dict[int, results.Outcome]:
    """Train all seeds side by side and evaluate each on the test images."""
    digits = data.mnist()
    steps = EPOCHS * len(digits.train_images) // BATCH
    model, history = fit(digits.train_images, seeds, Recipe(steps, RATE, "one-cycle"))
    outcomes = {}
    for k, seed in enumerate(seeds):
        weights = {name: value.half() for name, value in member_weights(model, k).items()}
        outcomes[seed] = results.Outcome(
            metrics=measure(alone(weights), digits, seed),
            history=history.thinned(k),
            tensors=weights,
            parameters=model.count,
            data=[digits.provenance],
        )
    return outcomes


def rederive(run: results.Run) -> dict[str, object]:
    """All metrics, from the recorded weights."""
    return measure(alone(run.tensors()), data.mnist(), run.seed)


@torch.no_grad()
def measure(model: VAE, digits: data.Mnist, seed: int) -> dict[str, object]:
    """The metrics of one autoencoder."""
    test = binary(digits.test_images)
    draw = generator(seed, 1_000_000)
    noise = torch.randn(1, len(test), LATENT, generator=draw)
    likelihood, divergence = model.bound(test[None], noise)
    some = test[None, :DRAWN_IMAGES]
    draws = torch.randn(DRAWS, 1, some.shape[1], LATENT, generator=draw)
    mean, _ = model.encode(test[None])
    shade = grey(digits.train_images).mean(0).clamp(1e-3, 1 - 1e-3)
    independent = float(bernoulli(test, torch.logit(shade)).sum(-1).mean())
    elbo = likelihood - divergence
    return {
        "elbo": float(elbo.mean()),
        "reconstruction": float(likelihood.mean()),
        "divergence": float(divergence.mean()),
        "importance": float(model.importance_bound(some, draws).mean()),
        "elbo_same": float(elbo[0, :DRAWN_IMAGES].mean()),
        "independent": independent,
        "gain": float(elbo.mean()) - independent,
        "active": int((mean[0].var(0) > 0.01).sum()),
        **likeness(model, digits, draw),
    }


def likeness(model: VAE, digits: data.Mnist, draw: torch.Generator) -> dict[str, float]:
    """How reconstructions and samples lie among the training images."""
    shelf = grey(digits.train_images[:10_000])
    labels = torch.as_tensor(digits.train_labels[:10_000])
    test, true = binary(digits.test_images)[:1000], torch.as_tensor(digits.test_labels[:1000])
    rebuilt = model.decode(model.encode(test[None])[0])[0]
    samples = model.decode(torch.randn(1, 1000, LATENT, generator=draw))[0]
    distances = {
        name: torch.cdist(x, shelf).min(dim=1)
        for name, x in (("rebuilt", rebuilt), ("test", test), ("samples", samples))
    }
    kept = {
        name: float((labels[distances[name].indices] == true).float().mean())
        for name in ("rebuilt", "test")
    }
    ratio = distances["samples"].values.median() / distances["test"].values.median()
    return {
        "label_kept": kept["rebuilt"],
        "label_kept_before": kept["test"],
        "sample_distance": float(ratio),
    }
