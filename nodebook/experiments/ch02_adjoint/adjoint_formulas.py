"""The documents' formulas about the adjoint, evaluated as printed and judged by rule.

Seed 0 is the system of chapter 02; the other seeds draw its parameters, initial state and times,
and all seeds draw the arbitrary multipliers and variations. Metrics, per formula ``<id>``:
``<id>.classification``, ``<id>.relative_error``, ``<id>.flipped_relative_error`` (the sign turned),
``<id>.printed`` and ``<id>.reference`` (values, at most four) and, where the formula does not hold,
``<id>.corrected_relative_error``. ``count.<document>.<class>`` counts the classes.
"""

from nodebook.documents.formulas import FORMULAS
from nodebook.documents.formulas.document_002 import GRIDS, euler_recurrences
from nodebook.documents.formulas.system import System
from nodebook.documents.formulas.verdicts import CLASSIFICATIONS, Verdict, judge, relative_error
from nodebook.documents.formulas.verdicts import TOLERANCE as HOLDS_BELOW
from nodebook.evidence import results

VARIANTS = ("audit",)
SEEDS = (0, 1, 2)
NEEDS = ()
TOLERANCE = {"*": 1e-6}

DOCUMENTS = ("000", "001", "002", "003", "004")


def verdicts(system: System) -> dict[str, Verdict]:
    """The verdict on every formula, by its id."""
    found = {}
    for formula in FORMULAS:
        system.draw_anew()
        found[formula.id] = judge(formula.evaluate(system))
    return found


def euler_errors(system: System) -> dict[str, list[float]]:
    """Errors of document 002's Euler recurrences against the number of steps ``n``."""
    exact = {"a": "z0", "theta": "theta", "theta_printed": "theta"}
    runs = [euler_recurrences(system, grid) for grid in GRIDS]
    errors = {
        name: [relative_error(run[name], system.gradients[wanted]) for run in runs]
        for name, wanted in exact.items()
    }
    return {"n": list(GRIDS), **errors}


def run(variant: str, seed: int) -> results.Outcome:
    """Judge every formula on the system of ``seed``."""
    system = System(seed)
    judged = verdicts(system)
    metrics: dict[str, object] = {}
    for name, verdict in judged.items():
        metrics[f"{name}.classification"] = verdict.classification
        metrics[f"{name}.relative_error"] = verdict.relative_error
        metrics[f"{name}.flipped_relative_error"] = verdict.flipped_relative_error
        metrics[f"{name}.printed"] = verdict.printed
        metrics[f"{name}.reference"] = verdict.reference
        if verdict.corrected_relative_error is not None:
            metrics[f"{name}.corrected_relative_error"] = verdict.corrected_relative_error
    for document in DOCUMENTS:
        own = [v.classification for name, v in judged.items() if name.startswith(document)]
        for classification in CLASSIFICATIONS:
            slug = classification.replace(" ", "-")
            metrics[f"count.{document}.{slug}"] = own.count(classification)
    return results.Outcome(metrics=metrics, history={"euler": euler_errors(system)})


def rederive(recorded: results.Run) -> dict[str, object]:
    """All metrics but the errors of what holds, which are rounding and differ between machines."""
    metrics = run(recorded.variant, recorded.seed).metrics
    return {
        name: value
        for name, value in metrics.items()
        if not (name.endswith("error") and value < HOLDS_BELOW)
    }
