"""The tables of chapter 06: errors on spirals by how many of the first 100 points were observed."""

from collections.abc import Mapping, Sequence

from nodebook.evidence import recorded
from nodebook.evidence.results import Run
from nodebook.figures.text import loose_spread

COUNTS = (30, 50, 100)
HEADS = {n: f"{n} of 100" for n in COUNTS}

WAYS = {
    "encoder": "by its encoder",
    "observed": "fitted to what it saw",
    "told": "fitted without noise",
    "ahead": "fitted to the further points",
}
"""How ``latent_oracle`` finds the state at time 0."""


def by_count(runs: Sequence[Run], metric: str, decimals: int = 2) -> dict[str, str]:
    """A metric over the seeds, mean and standard deviation, by number of observed points.

    ``metric`` has ``{}`` in the place of that number.
    """
    return {
        head: loose_spread(recorded.values(runs, metric.format(n)), decimals)
        for n, head in HEADS.items()
    }


def by_state(oracle: Sequence[Run], decimals: int = 2) -> dict[str, dict[str, str]]:
    """Errors of trajectories by the points and by how the state at time 0 was found."""
    return {
        f"{part}: {text}": by_count(oracle, f"rmse.{way}.{{}}.{part}", decimals)
        for part in ("near", "familiar", "new")
        for way, text in WAYS.items()
        if (part, way) != ("near", "ahead")
    }


def by_chosen_length(
    short: Sequence[Run], longer: Mapping[str, Sequence[Run]]
) -> dict[tuple[str, str], dict[int, list[float]]]:
    """Errors after the length of training that the validation spirals choose, of each seed.

    ``short`` are runs of all models, ``longer`` has those of each model, with the same seeds.

    Returns:
        by model and ground, "familiar" or "new", and by number of observed points.
    """
    found: dict[tuple[str, str], dict[int, list[float]]] = {}
    for model, runs in longer.items():
        for n in COUNTS:
            for pair in zip(short, runs, strict=True):
                better = recorded.chosen(pair, f"validation.{model}.{n}")
                for ground in ("familiar", "new"):
                    errors = found.setdefault((model, ground), {}).setdefault(n, [])
                    errors.append(better.metric(f"rmse.{model}.{n}.{ground}"))
    return found
