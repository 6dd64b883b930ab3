"""The tables of chapter 07, from recorded runs."""

import statistics
from collections.abc import Mapping, Sequence

import pandas as pd
from scipy.stats import binomtest

from nodebook.evidence import claims, recorded
from nodebook.figures.digits import METHODS, NAMES
from nodebook.figures.text import spread, spread_of_few

IMAGES = 10_000


def theirs() -> dict[str, float]:
    """The errors that the paper's table prints, in percent, by variant of ``mnist``."""
    printed = {
        claim.evidence["variant"]: claim.theirs
        for claim in claims.load()
        if claim.id.startswith("003-mnist-") and claim.evidence["experiment"] == "mnist"
    }
    return printed | {"ode-net": printed["rk-net"]}


def errors() -> pd.DataFrame:
    """Theirs and ours of the five networks: error, seeds, minutes of processor time."""
    printed, rows = theirs(), {}
    for kind, name in NAMES.items():
        runs = recorded.runs("mnist", kind)
        found = recorded.values(runs, "test_error")
        rows[name] = {
            "theirs (%)": f"{printed[kind]:.2f}",
            "ours (%)": spread_of_few(found, 2),
            "seeds": f"{len(runs)}",
            "processor minutes": spread_of_few([run.cpu_seconds / 60 for run in runs], 0),
        }
    return pd.DataFrame(rows).T.rename_axis("network")


def longer(plans: Mapping[str, int], kinds: Sequence[str]) -> pd.DataFrame:
    """Errors after the first plan and after another one, with 95 % intervals of the mean.

    ``plans`` has the end of a variant's name and the epochs in all.
    """
    rows = []
    for kind in kinds:
        for more, epochs in plans.items():
            runs = recorded.runs("mnist", kind + more)
            counts = recorded.values(runs, "test_errors")
            rows.append(
                {
                    "network": NAMES[kind],
                    "epochs": f"{epochs}",
                    "test errors": ", ".join(map(str, counts)),
                    "mean (%)": f"{statistics.fmean(counts) * 100 / IMAGES:.2f}",
                    "95 % interval": interval(statistics.fmean(counts)),
                    "training errors": ", ".join(map(str, recorded.values(runs, "train_errors"))),
                }
            )
    return pd.DataFrame(rows).set_index("network")


def interval(count: float) -> str:
    """95 % interval (Wilson) of an error in percent, from so many of 10,000 images."""
    found = binomtest(round(count), IMAGES).proportion_ci(method="wilson")
    return f"{100 * found.low:.2f} to {100 * found.high:.2f}"


def pairs(asked: Sequence[tuple[str, str]], variants: Mapping[str, int]) -> pd.DataFrame:
    """McNemar's test on pairs of networks: images on which just one of the two errs."""
    rows = []
    for a, b in asked:
        for variant, epochs in variants.items():
            for run in recorded.runs("mnist_comparison", variant):
                p = run.metric(f"p.{a}.{b}")
                excess = f"{run.metric(f'excess.{a}.{b}'):+.2f}"
                rows.append(
                    {
                        "pair": f"{NAMES[a]}; {NAMES[b]}",
                        "epochs": f"{epochs}",
                        "seed": f"{run.seed}",
                        "only the first errs": f"{run.metric(f'only.{a}.{b}')}",
                        "only the second": f"{run.metric(f'only.{b}.{a}')}",
                        "difference (points)": excess.replace("-", "\N{MINUS SIGN}"),
                        "p": f"{p:.3f}" if p >= 0.001 else "<\N{NO-BREAK SPACE}0.001",
                    }
                )
    return pd.DataFrame(rows).set_index("pair")


def choices(plans: Mapping[str, float]) -> pd.DataFrame:
    """Errors on the training images held out, for every plan tried and its epochs."""
    rows = {}
    for name, epochs in plans.items():
        kind, plan = name.split(".")
        (run,) = recorded.runs("mnist_choices", name)
        rows[f"{NAMES[kind]}, {plan}"] = {
            "epochs": f"{epochs:g}",
            "errors of 5,000": f"{run.metric('validation_errors')}",
            "error (%)": f"{run.metric('validation_error'):.2f}",
        }
    return pd.DataFrame(rows).T.rename_axis("tried")


def gradients(tolerances: Sequence[str]) -> pd.DataFrame:
    """Error of three gradients of the trained networks, in percent, by tolerance."""
    ways = {
        "backprop": "backpropagated",
        "dopri5": "adjoint, Dormand-Prince",
        "adams": "adjoint, implicit Adams",
    }
    rows = {
        tolerance: {
            name: spread(
                [
                    100 * value
                    for value in recorded.measured(
                        "mnist_adjoint", "ode-net", f"gradient_error.{way}.{tolerance}"
                    )
                ],
                1,
            )
            for way, name in ways.items()
        }
        for tolerance in tolerances
    }
    return pd.DataFrame(rows).T.rename_axis("tolerance")


def other_solvers(asked: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Errors of recorded networks with other solvers: settings of ``mnist_solvers`` by variant."""
    rows = {}
    for kind, tried in asked.items():
        for name in tried:
            method, value = name.split(".")
            solver = f"{METHODS.get(method, method)} {value}"
            errors = recorded.measured("mnist_solvers", kind, f"errors.{name}")
            rows[f"{NAMES[kind]}; {solver}"] = {
                "evaluations": f"{recorded.mean('mnist_solvers', kind, f'nfe.{name}'):.1f}",
                "error (%)": spread([x / 100 for x in errors], 2),
                "otherwise": f"{recorded.mean('mnist_solvers', kind, f'other.{name}'):.0f}",
            }
    return pd.DataFrame(rows).T.rename_axis("trained as; solved by")
