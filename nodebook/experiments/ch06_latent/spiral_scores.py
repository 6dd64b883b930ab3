"""What is measured of a latent ODE or a recurrent network on spirals; ``latent_ode`` names it."""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from nodebook.experiments.ch06_latent.spiral_models import (
    BINS,
    FAMILIAR,
    PLANS,
    SCALE,
    retold,
    series,
)
from nodelib.data import spirals
from nodelib.data.spirals import POINTS
from nodelib.models.latent.ode import LatentODE
from nodelib.seeds import generator
from nodelib.training.series import rms


def measure(
    variant: str,
    seed: int,
    tensors: Mapping[str, Tensor],
    chosen: Mapping[str, Mapping],
    data: Mapping[str, Mapping],
) -> tuple[dict[str, dict], dict[str, dict]]:
    """Metrics on the test spirals, and the error by tenth of the further points."""
    rmse: dict[str, dict] = {}
    found: dict[str, dict] = {"elbo": {}, "direction": {}}
    profile: dict[str, dict] = {}
    for name in PLANS[variant].models:
        for n in PLANS[variant].counts:
            test = data["test"][n]
            model, told = retold(variant, tensors, chosen, name, test, n)
            errors = (told - test.truth)[:, POINTS:]
            tenths = [rms(part) for part in np.split(errors, BINS, axis=1)]
            entry = {
                "truth": rms(errors),
                "noisy": rms((told - test.noisy)[:, POINTS:]),
                **by_ground(errors, test),
                "first_tenth": tenths[0],
                "last_tenth": tenths[-1],
            }
            profile.setdefault(name, {})[str(n)] = tenths
            if isinstance(model, LatentODE):
                entry["near"] = rms((told - test.truth)[:, :POINTS])
                found["elbo"].setdefault(name, {})[str(n)] = bound(model, test, seed)
                read = direction_read(model, data["train"][n], test)
                found["direction"].setdefault(name, {})[str(n)] = read
            rmse.setdefault(name, {})[str(n)] = entry
    for n in PLANS[variant].counts:
        test = data["test"][n]
        ahead = test.truth[:, POINTS:]
        last = POINTS - 1 - test.observed[:, POINTS - 1 :: -1].argmax(axis=1)
        held = test.noisy[np.arange(len(last)), last][:, None]
        known = spirals.nearest_curve(test, shift=PLANS[variant].shift)
        rmse.setdefault("hold", {})[str(n)] = {"truth": rms(held - ahead)}
        rmse.setdefault("family", {})[str(n)] = {"truth": rms(known[:, POINTS:] - ahead)}
    return {"rmse": rmse, **found, **_ratios(rmse)}, profile


def by_ground(errors: np.ndarray, test: spirals.Spirals) -> dict[str, float]:
    """Root mean squares on "familiar" and on "new" ground of errors on the further points."""
    familiar = test.start < FAMILIAR
    return {"familiar": rms(errors[familiar]), "new": rms(errors[~familiar])}


def _ratios(rmse: Mapping[str, Mapping]) -> dict[str, dict]:
    """One model's error over another's, by number of observations."""
    pairs = {
        "no_times": ("ode", "ode_times"),
        "against_rnn": ("ode_times", "rnn"),
        "against_rnn_times": ("ode_times", "rnn_times"),
        "rnn_of_hold": ("rnn", "hold"),
        "rnn_times_of_hold": ("rnn_times", "hold"),
        "ode_of_hold": ("ode_times", "hold"),
    }
    return {
        label: {str(n): rmse[a][str(n)]["truth"] / rmse[b][str(n)]["truth"] for n in rmse[a]}
        for label, (a, b) in pairs.items()
        if a in rmse and b in rmse
    }


@torch.no_grad()
def bound(model: LatentODE, test: spirals.Spirals, seed: int) -> float:
    """Evidence lower bound in nats an observation, one draw of the state for each spiral."""
    shown = series([test]).until(POINTS)
    noise = torch.randn(1, len(test.start), 4, generator=generator(seed, 1_000_000))
    scale = spirals.NOISE / SCALE
    likelihood, divergence = model.bound(shown.t, shown.x, shown.observed, noise, scale)
    return float((likelihood - divergence).sum() / shown.observed.sum())


@torch.no_grad()
def states(model: LatentODE, shown: spirals.Spirals) -> np.ndarray:
    """Mean of the state at time 0 of each spiral, (N, latent)."""
    first = series([shown]).until(POINTS)
    return model.encode(first.t, first.x, first.observed)[0][0].numpy()


def direction_read(model: LatentODE, train: spirals.Spirals, test: spirals.Spirals) -> float:
    """Share of test spirals whose direction a linear classifier reads from the state at time 0."""
    reader = LogisticRegression(C=1e3, max_iter=2000)
    reader.fit(states(model, train), train.clockwise)
    return float(reader.score(states(model, test), test.clockwise))
