"""The tables of chapter 09: recorded runs of heartbeat classifiers as rows."""

import statistics
from collections.abc import Mapping, Sequence

import pandas as pd

from nodebook.evidence import claims, recorded
from nodebook.evidence.results import Run
from nodebook.figures.text import GLUE, listed, significant, spread_of_few
from nodelib.data import aami

NETWORKS = {"resnet": "ResNet", "ode-net": "ODE-Net"}
MODELS: Mapping[str, tuple[str, str]] = {
    "always N": ("heartbeat_baselines", "always-n"),
    "nearest beat": ("heartbeat_baselines", "nearest"),
    "logistic, R-R": ("heartbeat_baselines", "logistic"),
    "boosted trees, R-R": ("heartbeat_baselines", "trees"),
    "boosted trees, relative": ("heartbeat_baselines", "trees-relative"),
    "one residual block": ("heartbeats", "one-block"),
    "ResNet": ("heartbeats", "resnet"),
    "ODE-Net": ("heartbeats", "ode-net"),
    "ResNet, with R-R": ("heartbeats", "resnet-rr"),
    "ODE-Net, with R-R": ("heartbeats", "ode-net-rr"),
}
"""Name of each classifier on the page: its experiment, and how its variants begin."""

PUBLISHED = {
    "de Chazal et al. 2004": (
        "two leads, morphology and intervals",
        86.2,
        f"76,{GLUE}39",
        f"78,{GLUE}82",
    ),
    "Mar et al. 2011": ("selected features", 89.9, "", ""),
    "Zhang et al. 2014": ("features selected for each class", 88.3, "", ""),
    "Mondéjar-Guerra et al. 2019": ("one lead, morphology and R-R, several SVMs", 94.5, "", ""),
}
"""On DS1 and DS2. S and V are from the abstract of de Chazal et al.; the accuracies are those that
Mondéjar-Guerra et al. compare themselves with, in the README of their repository."""


def printed(kind: str, what: str) -> float:
    """What the slides print of a network: its "accuracy", or "loss-1" to "loss-5"."""
    wanted = f"001-{kind.replace('-', '')}-{what}"
    (found,) = (claim.theirs for claim in claims.load() if claim.id == wanted)
    return found


def accuracies() -> dict[tuple[str, str], float]:
    """Accuracy on the test beats, mean over the seeds, by name of the classifier and division."""
    return {
        (name, split): recorded.mean(experiment, f"{model}.{split}", "test.accuracy")
        for name, (experiment, model) in MODELS.items()
        for split in ("by-beat", "inter-patient")
        if recorded.runs(experiment, f"{model}.{split}")
    }


def sensitivity(name: str, label: str, split: str = "inter-patient") -> float:
    """Share of the test beats of a class that a classifier finds, mean over the seeds."""
    experiment, model = MODELS[name]
    return recorded.mean(experiment, f"{model}.{split}", f"test.sensitivity.{label}")


def epochs() -> tuple[dict[str, list[list[float]]], dict[str, list[float]]]:
    """Loss on the test beats after each epoch by network: of each seed, and as printed."""
    counted = range(1, 6)
    ours = {
        kind: [
            [run.metric(f"loss.{k}") for k in counted]
            for run in recorded.runs("heartbeats", f"{kind}.by-beat")
        ]
        for kind in NETWORKS
    }
    return ours, {kind: [printed(kind, f"loss-{k}") for k in counted] for kind in NETWORKS}


def alone(comparisons: Sequence[Run]) -> str:
    """Beats that one network alone mistakes, by seed: "10 against 5 (p = 0.3)"."""
    return listed(
        f"{run.metric('only.ode-net')} against {run.metric('only.resnet')} "
        f"(p{GLUE}={GLUE}{significant(run.metric('p'), 1)})"
        for run in comparisons
    )


def differences(comparisons: Sequence[Run]) -> str:
    """ODE-Net less ResNet by seed, with the interval over patients: "1.2 (0.3 to 2.1)"."""
    told = (
        tuple(significant(x, 2) for x in (run.metric("excess"), *run.metric("interval")))
        for run in comparisons
    )
    return listed(f"{excess} ({low}{GLUE}to{GLUE}{high})" for excess, low, high in told)


def evaluations() -> dict[str, list[tuple[float, float]]]:
    """Evaluations of a forward pass in the first and the last epoch, by division and seed."""
    return {
        split: [
            (run.metric("nfe.1"), run.metric("nfe.5"))
            for run in recorded.runs("heartbeats", f"ode-net.{split}")
        ]
        for split in ("by-beat", "inter-patient")
    }


def confusions() -> dict[str, list[list[int]]]:
    """Confusion matrices of the ResNet of seed 0, split by beat and between patients."""
    return {
        f"ResNet, {told_as}": recorded.runs("heartbeats", f"resnet.{split}")[0].metric(
            "test.confusion"
        )
        for split, told_as in (("by-beat", "by beat"), ("inter-patient", "between patients"))
    }


def dropped() -> dict[str, dict[int, list[float]]]:
    """Accuracy of each seed by network and percentage of samples dropped."""
    return {
        kind: {
            percent: recorded.measured("heartbeat_dropped", "by-beat", f"accuracy.{kind}.{percent}")
            for percent in (0, 20, 50, 80)
        }
        for kind in NETWORKS
    }


def by_beat() -> pd.DataFrame:
    """Both networks by the protocol of the slides, and the ODE-Net solved otherwise."""
    rows = {}
    solved = {"ode-net-adjoint": "ODE-Net, adjoint", "ode-net-rk4": "ODE-Net, Runge-Kutta"}
    for kind, name in (NETWORKS | solved).items():
        runs = recorded.runs("heartbeats", f"{kind}.by-beat")
        printed_as = "ode-net" if kind in solved else kind
        rows[name] = {
            "parameters": f"{runs[0].parameters:,}",
            "accuracy": spread_of_few(recorded.values(runs, "test.accuracy"), 4),
            "in the deck": str(printed(printed_as, "accuracy")),
            "macro-F1": spread_of_few(recorded.values(runs, "test.macro_f1")),
            "loss": spread_of_few(recorded.values(runs, "test.loss")),
            "processor minutes": minutes(runs),
            "seeds": str(len(runs)),
        }
    return pd.DataFrame(rows).T.rename_axis("split by beat")


def converged() -> pd.DataFrame:
    """Both networks trained four times as long."""
    rows = {}
    for kind, name in NETWORKS.items():
        runs = recorded.runs("heartbeats", f"{kind}.by-beat.converged")
        losses = ("loss.5", "loss.10", "loss.20")
        rows[name] = {
            "accuracy": spread_of_few(recorded.values(runs, "test.accuracy"), 4),
            "macro-F1": spread_of_few(recorded.values(runs, "test.macro_f1")),
            **{
                f"loss, epoch {key.removeprefix('loss.')}": spread_of_few(
                    recorded.values(runs, key)
                )
                for key in losses
            },
            "seeds": str(len(runs)),
        }
    return pd.DataFrame(rows).T.rename_axis("by beat, 20 epochs")


def minutes(runs: Sequence[Run]) -> str:
    """Processor minutes of the runs that were trained on the CPU in one sitting."""
    found = [run.cpu_seconds / 60 for run in runs if not run.devices]
    return spread_of_few(found, 0) if found else ""


def between_patients() -> pd.DataFrame:
    """Every recorded classifier on DS2, after training on DS1."""
    rows = {}
    for name, (experiment, model) in MODELS.items():
        runs = recorded.runs(experiment, f"{model}.inter-patient")
        low, high = runs[0].metric("interval.macro_f1")
        rows[name] = {
            "accuracy": spread_of_few(recorded.values(runs, "test.accuracy")),
            "macro-F1": spread_of_few(recorded.values(runs, "test.macro_f1")),
            "95 %, seed 0": f"{low:.2f}{GLUE}to{GLUE}{high:.2f}",
            **{label: pair(runs, label) for label in aami.CLASSES[:4]},
            "without 202": spread_of_few(recorded.values(runs, "without_202.macro_f1")),
        }
    return pd.DataFrame(rows).T.rename_axis("DS1 to DS2")


def pair(runs: Sequence[Run], label: str) -> str:
    """Sensitivity and predictivity of a class in percent, means over the seeds."""
    means = (
        statistics.fmean(recorded.values(runs, f"test.{name}.{label}"))
        for name in ("sensitivity", "predictivity")
    )
    return f",{GLUE}".join(f"{100 * value:.0f}" for value in means)


AUDITED = (
    "always N",
    "boosted trees, R-R",
    "boosted trees, relative",
    "nearest beat",
    "ResNet",
    "ODE-Net",
)


def audited() -> dict[str, dict[str, tuple[float, float]]]:
    """Accuracy and mean F1 of N, S, V and F by classifier and division of the beats.

    Means over the seeds. Q is left out, of which between patients there are seven beats. A
    classifier has the divisions in which it is recorded.
    """
    splits = {
        "by-beat": "by beat",
        "by-block": "by minutes",
        "by-patient": "by patient",
        "inter-patient": "DS1 to DS2",
    }
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name in AUDITED:
        experiment, model = MODELS[name]
        found[name] = {}
        for split, told_as in splits.items():
            if runs := recorded.runs(experiment, f"{model}.{split}"):
                f1 = [recorded.values(runs, f"test.f1.{label}") for label in aami.CLASSES[:4]]
                right = statistics.fmean(recorded.values(runs, "test.accuracy"))
                found[name][told_as] = right, statistics.fmean(map(statistics.fmean, f1))
    return found


def published() -> pd.DataFrame:
    """Results of others on the same division between patients."""
    columns = ["method", "accuracy, %", "S", "V"]
    table = pd.DataFrame(PUBLISHED, index=columns).T
    return table.rename_axis("DS1 to DS2, published")


def memory() -> pd.DataFrame:
    """What the part between reduction and readout keeps and evaluates in a training step."""
    (layers,) = recorded.runs("heartbeat_layers")
    rows = {"ResNet, six blocks": ("resnet", "6 blocks")}
    for mode in ("backprop", "checkpoint", "adjoint"):
        rows[f"ODE-Net, {mode}"] = (mode, str(layers.metric(f"evaluations.{mode}")))
    table = {
        name: {
            "MiB kept": f"{layers.metric(f'body.{key}') / 2**20:.1f}",
            "evaluations, both passes": count,
        }
        for name, (key, count) in rows.items()
    }
    return pd.DataFrame(table).T.rename_axis("a batch of 128 beats")


def solvers() -> pd.DataFrame:
    """A trained ODE-Net of each seed under other solvers, from coarse to fine.

    Times are told as multiples of that at tolerance 0.01. The finest, which the others are compared
    with, is left out.
    """
    runs = recorded.runs("heartbeat_solvers", "ode-net.by-beat")
    milliseconds = [run.history["milliseconds"] for run in runs]
    names = {f"Runge-Kutta 4, steps: {count}": f"rk4.{count}" for count in (1, 2, 4)}
    for text in ("1e-1", "1e-2", "1e-3", "1e-4"):
        names[f"Dormand-Prince, {float(text):g}"] = f"tolerance.{text}"
    rows = {
        told_as: {
            "evaluations": spread_of_few(recorded.values(runs, f"nfe.{name}"), 0),
            "time": spread_of_few(
                [took[name] / took["tolerance.1e-2"] for took in milliseconds], 1
            ),
            "error of the state": spread_of_few(recorded.values(runs, f"change.{name}"), 4),
            "decided otherwise": listed(map(str, recorded.values(runs, f"other.{name}"))),
            "accuracy": spread_of_few(recorded.values(runs, f"accuracy.{name}"), 4),
        }
        for told_as, name in names.items()
    }
    return pd.DataFrame(rows).T.rename_axis("solver")
