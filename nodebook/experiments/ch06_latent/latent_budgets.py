"""The latent ODE beside the recurrent network after two budgets, on familiar and on new ground.

Which of the two predicts better depends on how long they are trained and on where the further
points lie; Chen et al. 2018 say neither. Nothing is trained here: the errors are those of recorded
runs of ``latent_ode``, of which the tests of the same seed have the same spirals.

The one variant has both models with times. Metrics, ``n`` being 30, 50 or 100 observed points, and
the budget ``short`` (4,000 steps on batches of 32, variant ``spirals``) or ``long`` (40,000 steps
on batches of 128, variants ``long-...``):

- ``rmse.<budget>.<model>.<n>.truth``, ``.familiar``, ``.new``: as in ``latent_ode``, of ``ode`` and
  ``rnn``
- ``ratio.<budget>.<n>.truth``, ``.familiar``, ``.new``: error of the latent ODE over that of the
  recurrent network
"""

from nodebook.evidence import results
from nodebook.experiments.ch06_latent.spiral_models import COUNTS

MODELS = {"with-times": {"ode": "ode_times", "rnn": "rnn_times"}}
VARIANTS = tuple(MODELS)
SEEDS = (0, 1, 2, 3, 4)
NEEDS = ()

BUDGETS = {"short": "spirals", "long": "long-{}"}
GROUNDS = ("truth", "familiar", "new")


def run(variant: str, seed: int) -> results.Outcome:
    """Put the recorded errors side by side."""
    rmse: dict[str, dict] = {}
    ratio: dict[str, dict] = {}
    for budget, source in BUDGETS.items():
        errors = rmse[budget] = {
            short: _errors(source.format(name), seed, name)
            for short, name in MODELS[variant].items()
        }
        ratio[budget] = {
            n: {ground: errors["ode"][n][ground] / errors["rnn"][n][ground] for ground in GROUNDS}
            for n in errors["ode"]
        }
    return results.Outcome(metrics={"rmse": rmse, "ratio": ratio})


def _errors(variant: str, seed: int, name: str) -> dict[str, dict[str, float]]:
    found = results.one("latent_ode", variant, seed)
    return {
        str(n): {ground: found.metric(f"rmse.{name}.{n}.{ground}") for ground in GROUNDS}
        for n in COUNTS
    }


def rederive(recorded: results.Run) -> dict[str, object]:
    """All of it."""
    return run(recorded.variant, recorded.seed).metrics
