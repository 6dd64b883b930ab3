"""What the page of chapter 10 shows of the study in tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from IPython.display import HTML

from nodebook.evidence import recorded
from nodebook.experiments.ch10_gru_ode import sporadic_study as study
from nodebook.figures.tables import shown
from nodebook.figures.text import spread
from nodelib.data.sporadic import gaussian_nll

TITLES = {
    "ou": "two Ornstein-Uhlenbeck processes",
    "changing_mean": "the same, with means that move",
    "brusselator": "Brusselator",
}


def scores(variant: str) -> HTML:
    """Likelihood and squared error of each model, and the distance to the optimum where known."""
    exact = study.process_of(variant) != "brusselator"
    columns = {"nats a value": "nll", "squared error": "mse"}
    columns |= {"above the optimum": "excess"} if exact else {}
    rows = {}
    for name, label in study.LABELS.items():
        if name == "exact" and not exact:
            continue
        rows[label] = {
            head: "0"
            if (name, metric) == ("exact", "excess")
            else spread(recorded.measured("sporadic_study", variant, f"{metric}.{name}"))
            for head, metric in columns.items()
        }
    return shown(pd.DataFrame(rows).T.rename_axis(TITLES[variant]))


@dataclass(frozen=True)
class Tails:
    """Nats a value of two models on the Brusselator's test series, value by value.

    ``numbers``: of each model and each way to sum up, one number a seed. ``narrowest``: the
    smallest standard deviation that GRU-ODE-Bayes gives to any value.
    """

    numbers: Mapping[str, Mapping[str, list[float]]]
    narrowest: float

    def _repr_html_(self) -> str:
        rows = {
            study.LABELS[name]: {head: spread(values, 2) for head, values in heads.items()}
            for name, heads in self.numbers.items()
        }
        return shown(pd.DataFrame(rows).T.rename_axis("nats a value, Brusselator")).data


def tails() -> Tails:
    """From the recorded weights."""
    numbers: dict[str, dict[str, list[float]]] = {}
    narrowest = np.inf
    for run in recorded.runs("sporadic_study", "brusselator"):
        data, tensors = study.sets("brusselator", run.seed), run.tensors()
        scale, test = study.Scale(data["train"]), data["test"]
        for name in ("ode_bayes", "gap"):
            model = study.recorded_model(tensors, name)
            mean, variance = study.predict(model, scale, test)
            each = np.sort(gaussian_nll(test.x, mean, variance)[test.targets])
            if name == "ode_bayes":
                narrowest = min(narrowest, float(np.sqrt(variance[test.targets].min())))
            heads = {
                "mean": each.mean(),
                "median": np.median(each),
                "mean without the worst 1%": each[: int(0.99 * len(each))].mean(),
                "worst value": each[-1],
            }
            for head, value in heads.items():
                numbers.setdefault(name, {}).setdefault(head, []).append(float(value))
    return Tails(numbers, narrowest)


SOLVERS = {
    "euler_2": "Euler, 2 steps a gap",
    "euler_4": "Euler, 4 steps a gap",
    "euler_delta_t": "Euler, steps of at most 0.25",
    "midpoint_2": "midpoint, 2 steps a gap",
    "rk4_1": "Runge-Kutta of order 4, 1 step a gap",
}


def solvers() -> HTML:
    """Nats above the exact filter with each solver and step."""
    head = "above the optimum"
    rows = {
        label: {head: spread(recorded.measured("sporadic_study", "solvers", f"excess.{name}"))}
        for name, label in SOLVERS.items()
    }
    return shown(pd.DataFrame(rows).T.rename_axis("solver and step"))
