"""The latent ODE beside the recurrent network after several trainings, on familiar and new ground.

Which of the two predicts better depends on how long they are trained and on where the further
points lie; Chen et al. 2018 say neither. Nothing is trained here: the errors are those of recorded
runs of ``latent_ode``, of which the tests of the same seed have the same spirals.

The one variant has both models with times. Metrics, ``n`` being 30, 50 or 100 observed points, and
the budget ``short`` (4,000 steps on batches of 32, variant ``spirals``), ``long`` (40,000 steps on
batches of 128, variants ``long-...``) or ``chosen`` (of these, and of 12,000 steps on batches of 32
and of 128, the one with the least error on the noisy further points of the validation spirals, for
each model, seed and n by itself):

- ``rmse.<budget>.<model>.<n>.truth``, ``.familiar``, ``.new``: as in ``latent_ode``, of ``ode`` and
  ``rnn``
- ``ratio.<budget>.<n>.truth``, ``.familiar``, ``.new``: error of the latent ODE over that of the
  recurrent network
- ``chosen.<model>.<n>``: the variant that was chosen
"""

from nodebook.evidence import recorded, results
from nodebook.experiments.ch06_latent.spiral_models import COUNTS

MODELS = {"with-times": {"ode": "ode_times", "rnn": "rnn_times"}}
VARIANTS = tuple(MODELS)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()

TRAININGS = {
    "ode_times": ("spirals", "longer", "larger-batch", "long-ode_times"),
    "rnn_times": ("spirals", "longer-recurrent", "larger-batch-recurrent", "long-rnn_times"),
}
"""The variants of a model, the shortest training first."""
BUDGETS = ("short", "long", "chosen")
GROUNDS = ("truth", "familiar", "new")


def run(variant: str, seed: int) -> results.Outcome:
    """Put the recorded errors side by side."""
    rmse: dict[str, dict] = {budget: {} for budget in BUDGETS}
    chosen: dict[str, dict] = {}
    for short, name in MODELS[variant].items():
        trained = [results.one("latent_ode", training, seed) for training in TRAININGS[name]]
        best = {n: recorded.chosen(trained, f"validation.{name}.{n}") for n in COUNTS}
        of_budget = {
            "short": dict.fromkeys(COUNTS, trained[0]),
            "long": dict.fromkeys(COUNTS, trained[-1]),
            "chosen": best,
        }
        for budget, runs in of_budget.items():
            rmse[budget][short] = {
                str(n): {g: run.metric(f"rmse.{name}.{n}.{g}") for g in GROUNDS}
                for n, run in runs.items()
            }
        chosen[short] = {str(n): run.variant for n, run in best.items()}
    ratio = {
        budget: {
            n: {g: errors["ode"][n][g] / errors["rnn"][n][g] for g in GROUNDS}
            for n in errors["ode"]
        }
        for budget, errors in rmse.items()
    }
    return results.Outcome(metrics={"rmse": rmse, "ratio": ratio, "chosen": chosen})


def rederive(known: results.Run) -> dict[str, object]:
    """All of it."""
    return run(known.variant, known.seed).metrics
