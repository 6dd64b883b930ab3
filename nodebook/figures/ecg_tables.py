"""The tables of chapter 08, from recorded runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nodebook.evidence.results import Run
from nodelib.data import aami

WITHIN_LINE = "\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}"


def beats(census: Run) -> pd.DataFrame:
    """The symbols that mark a beat: class, meaning, how many there are."""
    rows = [
        (symbol, label, meaning, count_of(census, meaning))
        for symbol, (label, meaning) in aami.BEATS.items()
    ]
    return pd.DataFrame(rows, columns=["symbol", "class", "marks a", "beats"]).set_index("symbol")


def other_marks(census: Run) -> pd.DataFrame:
    """The symbols that do not mark a beat: meaning, and how many there are."""
    rows = [(s, meaning, count_of(census, meaning)) for s, meaning in aami.NON_BEATS.items()]
    return pd.DataFrame(rows, columns=["symbol", "marks", "annotations"]).set_index("symbol")


def count_of(census: Run, meaning: str) -> str:
    """How many annotations of a meaning are recorded; a symbol that is not used has none."""
    return f"{census.metric('symbols').get(meaning, 0):,}"


def contents(census: Run) -> pd.DataFrame:
    """What is in the database, in numbers."""
    rows = {
        "records": "records",
        "people": "people",
        "women": "women",
        "men": "men",
        "people of unknown age": "age_unknown",
        "youngest (years)": "age_min",
        "oldest (years)": "age_max",
        "hours of ECG": "hours_total",
        "annotations": "annotations",
        "of them not beats": "non_beats",
        "of them beats": "beats",
    }
    named = {f"class {c}: {aami.CLASS_NAMES[c]}": f"classes.{c}" for c in aami.CLASSES}
    numbers = {text: census.metric(key) for text, key in (rows | named).items()}
    shown = {text: f"{n:,.1f}" if n % 1 else f"{n:,.0f}" for text, n in numbers.items()}
    return pd.DataFrame({"recorded": shown})


def records(census: Run) -> pd.DataFrame:
    """Every record: age, sex, leads, whether paced, annotations, and beats of each class."""
    listing = pd.DataFrame(census.history).set_index("record")
    leads = listing["leads"].map(", ".join)
    paced = listing["paced"].map({True: "paced", False: ""})
    years = [f"{age:.0f}" if age > 0 else "unknown" for age in listing["age"]]
    return listing.assign(age=years, leads=leads, paced=paced)[
        ["age", "sex", "leads", "paced", "annotations", *aami.CLASSES]
    ]


def labels(recorded: Run, printed: Mapping[str, tuple[int, int]], meant: Mapping[str, str]):
    """The rows of the slides' class table, and the class whose counts they are."""
    rows = {
        row: {
            "theirs, train / test": pair(*counts),
            "class meant": meant[row],
            "class counted": recorded.metric(f"deck_row.{row}"),
            "ours of that class": pair(
                *(
                    recorded.metric(f"{part}.{recorded.metric(f'deck_row.{row}')}")
                    for part in ("train", "test")
                )
            ),
        }
        for row, counts in printed.items()
    }
    return pd.DataFrame(rows).T.rename_axis("label")


def pair(train: int, test: int) -> str:
    """Training and test count as one text that does not wrap."""
    return f"{train:,}{WITHIN_LINE}{test:,}"


def names(recorded: Run, printed: Mapping[str, str]) -> pd.DataFrame:
    """The slides' names of the classes, beside what is annotated most in each."""
    rows = [
        (name, label, recorded.metric(f"most.{label}"), f"{recorded.metric(f'meant.{label}'):.1%}")
        for label, name in printed.items()
    ]
    columns = ["their name", "AAMI class", "commonest annotation", "share that the name fits"]
    return pd.DataFrame(rows, columns=columns).set_index("their name")


def shares(
    counts: Mapping[str, tuple[int, int]], printed: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """Shares of the classes, computed from the printed counts, and as printed."""
    totals = [sum(part) for part in zip(*counts.values(), strict=True)]
    rows = {
        label: {
            "train: computed": f"{own[0] / totals[0]:.5f}",
            "train: printed": f"{printed[label][0]:.3f}",
            "test: computed": f"{own[1] / totals[1]:.5f}",
            "test: printed": f"{printed[label][1]:.3f}",
        }
        for label, own in counts.items()
    }
    return pd.DataFrame(rows).T.rename_axis("label")


def missing(census: Run, published: Mapping[str, int]) -> pd.DataFrame:
    """Beats of the database, of the published set, and the last beats of the records."""
    inside = {c: census.metric(f"classes.{c}") for c in aami.CLASSES}
    columns = {
        "in the database": inside,
        "in Kachuee's set": {c: published[c] for c in aami.CLASSES},
        "missing": {c: inside[c] - published[c] for c in aami.CLASSES},
        "last beats": {c: census.metric(f"last_beats.{c}") for c in aami.CLASSES},
    }
    return pd.DataFrame(columns).map("{:,}".format).rename_axis("class")


def methods(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Beats that two ways of cutting give, by class, and rows with an early zero."""
    columns = {
        title: {
            "beats": f"{run.metric('beats'):,}",
            **{f"class {c}": f"{run.metric(f'classes.{c}'):,}" for c in aami.CLASSES},
            "rows with a 0 among the first 15": f"{run.metric('rows_with_early_zero'):.1%}",
        }
        for title, run in runs.items()
    }
    return pd.DataFrame(columns)


def neighbours(runs: Mapping[str, list[Run]]) -> pd.DataFrame:
    """What a memory of training beats scores, by how the beats were divided.

    What is counted in all test beats is the same for every seed; what is asked of some is not.
    """
    counted = {
        "test beats of people in training": "patients_shared",
        "accuracy of always answering N": "test_share.N",
    }
    asked = {
        "nearest training beat is the same person's": "nearest.same_patient",
        "accuracy of the nearest training beat": "nearest.accuracy",
    }
    columns: dict[str, dict[str, str]] = {}
    for title, own in runs.items():
        values = {text: [run.metric(name) for run in own] for text, name in asked.items()}
        columns[title] = {text: f"{own[0].metric(name):.1%}" for text, name in counted.items()}
        columns[title] |= {
            text: f"{np.mean(v):.1%}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{np.std(v, ddof=1):.1%}"
            for text, v in values.items()
        }
    return pd.DataFrame(columns)


def divided(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Beats of each class in training and test, by how they were divided."""
    columns = {
        f"{title}, {part}": {c: f"{run.metric(f'{part}.{c}'):,}" for c in (*aami.CLASSES, "total")}
        for title, run in runs.items()
        for part in ("train", "test")
    }
    return pd.DataFrame(columns).rename_axis("class")


def durations(rhythms: Run) -> pd.DataFrame:
    """Median duration of the QRS complex by kind of beat."""
    kinds = {
        "N": "normal",
        "R": "right bundle branch block",
        "L": "left bundle branch block",
        "V": "premature ventricular contraction",
        "paced": "paced",
    }
    found = {text: f"{rhythms.metric(f'qrs_median_ms.{k}'):.0f}" for k, text in kinds.items()}
    return pd.DataFrame({"median QRS (ms)": found}).rename_axis("beat")


def hearts(runs: Mapping[str, Run]) -> pd.DataFrame:
    """People, series and R-R intervals of databases of R-R intervals."""
    columns = {
        title: {
            "people": f"{run.metric('people')}",
            "intervals": f"{run.metric('intervals'):,}",
            "series (h)": f"{run.metric('hours_min'):.1f} to {run.metric('hours_max'):.1f}",
            "mean R-R (s)": f"{run.metric('rr_mean_s'):.3f} ± {run.metric('rr_mean_s_sd'):.3f}",
            "its deviation (s)": f"{run.metric('rr_sd_s'):.3f} ± {run.metric('rr_sd_s_sd'):.3f}",
        }
        for title, run in runs.items()
    }
    return pd.DataFrame(columns)
