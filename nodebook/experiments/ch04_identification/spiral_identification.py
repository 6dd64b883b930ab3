"""The linear spiral of document 001, learned from noisy samples in twelve ways.

Data as the deck's listing makes them: A = [[-0.1, -1], [1, -0.1]], from (0.6, 0.3), 200 equally
spaced times to 31.45, Gaussian noise of s.d. 0.01. Training as in the listing: Adam, rate 0.01, one
window a step, mean squared error; 500 steps, which is not in the deck but in the public code that
its listing agrees with line by line. So are two more things: the matrix starts normal with s.d.
1/2, and the solver is Euler's method with steps of at most 0.05, here four of 0.0395 an interval,
for the data too. Nothing was chosen by us, so no validation data are needed; ``rest`` is test data.

Models: ``deck`` (data and model by Euler, gradients by the deck's adjoint), ``exact-gradient`` (the
same, gradients of the discrete solve), ``exact-data`` (data of the true flow, model by Euler),
``rk4`` (data of the true flow, model by Runge-Kutta steps; all below too), ``long`` (3,000 steps),
``average`` (a moving average of the parameters, 0.99), ``clean-start`` (windows start from the
true state), ``warm`` (the matrix starts from the estimate by differences), ``segments`` (all data
every step, cut into windows of at most 5), ``shooting`` (the same, and initial states learned:
multiple shooting), ``warm-shooting`` (both), ``first-part`` (as ``warm``, but trained on the first
80 points, two turns of five). ``differences``, ``logarithm``, ``trajectory`` are the estimators of
``nodebook.experiments.ch04_identification.linear_estimates`` on exact data.

Metrics of each: ``matrix`` (row by row), ``error`` (relative, Frobenius), ``recovered`` ("found"
if that is at most 0.05, else "missed"), ``decay``, ``frequency``, ``fit`` (relative trajectory
error from the true initial state over the time of the data), ``beyond`` (the same over as long a
time again; for ``first-part`` over the 120 points left out), ``rest`` (from eight other initial
states), ``matched`` ("matched" if the RMS error of ``fit`` is within the noise, 0.01, on each
coordinate, else "missed"). Trajectories of a matrix are those of its own solver: by Euler's steps
or in closed form.

``settled``: the step after which ``long`` stays within 0.05 (-1 if never). ``start_turn``: half of
A21 - A12 where training starts; the true one is 1, and a negative one turns the wrong way.
``euler_bias``: relative error that exact data without noise teach a model by Euler. ``gradient``:
relative error of the deck's adjoint gradient at the true matrix plus noise of 0.1, mean of 20
windows.
"""

import numpy as np
import torch
from torch import Tensor, nn

from nodebook.documents.windows_listing import solve_as_deck
from nodebook.evidence import results
from nodebook.experiments.ch04_identification.identification import (
    Matrices,
    as_array,
    fit_segments,
    fit_windows,
    noisy,
    relative_trajectory_error,
    starts_in_box,
)
from nodebook.experiments.ch04_identification.linear_estimates import (
    ESTIMATORS,
    by_differences,
    decay_and_frequency,
    euler_matrix,
    relative_error,
)
from nodelib.fields import Linear, LinearSpiral
from nodelib.seeds import generator
from nodelib.training import Recipe
from nodelib.training.windows import draw, mean_square, solve_intervals

VARIANTS = ("listing",)
SEEDS = tuple(range(20))
NEEDS = ()
TOLERANCE = {
    # where the optimiser of the maximum likelihood stops, on a flat bottom
    "trajectory.*": 1e-4,
    "*": 1e-6,
}

START, T_MAX, POINTS, NOISE = (0.6, 0.3), 6.29 * 5, 200, 0.01
FIRST_PART = 80
STEPS, LONG = 500, 3000
RECIPE = Recipe(STEPS, 0.01)
EULER_STEPS = 4
CLOSE = 0.05
EVERY = 20
EULER_DATA = ("deck", "exact-gradient")
BY_EULER = (*EULER_DATA, "exact-data")
MODELS = (
    *BY_EULER,
    "rk4",
    "long",
    "average",
    "clean-start",
    "warm",
    "segments",
    "shooting",
    "warm-shooting",
    "first-part",
)


def times() -> Tensor:
    """Times of the observations, (N,)."""
    return torch.linspace(0, T_MAX, POINTS, dtype=torch.float64)


def flow(matrix: Tensor, z0: Tensor, count: int, by_euler: bool) -> Tensor:
    """States (..., count, 2) of ``dz/dt = A z`` at multiples of the sampling interval.

    From ``z0`` (..., 2): as Euler's method finds them, or exactly.
    """
    spacing = T_MAX / (POINTS - 1)
    if by_euler:
        once = torch.eye(2, dtype=matrix.dtype) + matrix * spacing / EULER_STEPS
        step = torch.linalg.matrix_power(once, EULER_STEPS)
    else:
        step = torch.linalg.matrix_exp(matrix * spacing)
    states = [z0]
    for _ in range(count - 1):
        states.append(states[-1] @ step.T)
    return torch.stack(states, -2)


def truth() -> Tensor:
    """The deck's matrix."""
    return LinearSpiral().matrix.detach()


def start() -> Tensor:
    """The deck's initial state."""
    return torch.tensor(START, dtype=torch.float64)


def observations(seeds, by_euler: bool = False) -> tuple[Tensor, Tensor]:
    """The clean trajectory (N, 2) and what is observed of it with each seed (S, N, 2)."""
    clean = flow(truth(), start(), POINTS, by_euler)
    return clean, noisy(clean, NOISE, seeds)


def run_together(variant: str, seeds: tuple[int, ...]) -> dict[int, results.Outcome]:
    """Train all models for all seeds."""
    learned, course = learn(seeds)
    outcomes = {}
    for k, seed in enumerate(seeds):
        tensors = {name: learned[name][k] for name in MODELS} | {"course": course[k]}
        outcomes[seed] = results.Outcome(
            metrics=metrics(seed, tensors), tensors=tensors, parameters=4
        )
    return outcomes


def rederive(run: results.Run) -> dict[str, object]:
    """All metrics from the recorded matrices."""
    return metrics(run.seed, run.tensors())


def learn(seeds) -> tuple[dict[str, Tensor], Tensor]:
    """Matrices (S, 2, 2) that each model finds, and the course of ``long`` (S, snapshots, 2, 2)."""
    t = times()
    _, by_euler = observations(seeds, by_euler=True)
    clean, exact = observations(seeds)
    fields = {name: Matrices(seeds) for name in MODELS}
    for name in ("warm", "warm-shooting"):
        set_matrices(fields[name], t, exact)
    set_matrices(fields["first-part"], t[:FIRST_PART], exact[:, :FIRST_PART])
    course = []

    def keep(step: int) -> None:
        if step % EVERY == 0:
            course.append(fields["long"].matrix.detach().clone())

    euler = {"method": "euler", "steps": EULER_STEPS}
    fit_windows(fields["deck"], t, by_euler, seeds, RECIPE, advance=deck_solver)
    fit_windows(fields["exact-gradient"], t, by_euler, seeds, RECIPE, **euler)
    fit_windows(fields["exact-data"], t, exact, seeds, RECIPE, **euler)
    fit_windows(fields["rk4"], t, exact, seeds, RECIPE)
    fit_windows(fields["long"], t, exact, seeds, Recipe(LONG, RECIPE.rate), on_step=keep)
    fit_windows(fields["average"], t, exact, seeds, Recipe(STEPS, RECIPE.rate, ema=0.99))
    starts = clean.expand(len(seeds), -1, -1)
    fit_windows(fields["clean-start"], t, exact, seeds, RECIPE, starts=starts)
    fit_windows(fields["warm"], t, exact, seeds, RECIPE)
    fit_segments(fields["segments"], t, exact, RECIPE, learn_starts=False)
    fit_segments(fields["shooting"], t, exact, RECIPE)
    fit_segments(fields["warm-shooting"], t, exact, RECIPE)
    fit_windows(fields["first-part"], t, exact, seeds, RECIPE, seen=[FIRST_PART] * len(seeds))
    return {name: f.matrix.detach() for name, f in fields.items()}, torch.stack(course, 1)


def set_matrices(field: Matrices, t: Tensor, observed: Tensor) -> None:
    """Start each matrix from the estimate by differences of its own data (S, N, 2)."""
    found = [by_differences(t.numpy(), rows.numpy()) for rows in observed]
    field.matrix.data = torch.from_numpy(np.stack(found))


def deck_solver(field: nn.Module, z0: Tensor, t: Tensor) -> Tensor:
    """Windows by Euler, gradients by the deck's adjoint."""
    return solve_as_deck(field, z0, t, EULER_STEPS)


def gradient_error(seed: int, windows: int = 20) -> float:
    """Mean relative difference of the deck's gradient from that of its own discrete solve."""
    t, (_, observed) = times(), observations((seed,), by_euler=True)
    noise = torch.randn(2, 2, generator=generator(seed), dtype=torch.float64)
    errors = []
    for step in range(windows):
        drawn = draw(t, observed, (seed,), step)
        found = []
        for by_adjoint in (True, False):
            field = Linear(truth() + 0.1 * noise)
            first = drawn.z[..., 0, :]
            if by_adjoint:
                predicted = deck_solver(field, first, drawn.t)
            else:
                predicted = solve_intervals(
                    field, first, drawn.t, method="euler", steps=EULER_STEPS
                )
            mean_square(predicted, drawn).sum().backward()
            found.append(field.matrix.grad)
        errors.append(float((found[0] - found[1]).norm() / found[1].norm()))
    return float(np.mean(errors))


def metrics(seed: int, tensors: dict[str, Tensor]) -> dict[str, object]:
    """Everything measured about one seed, from its learned matrices."""
    true = as_array(truth())
    found: dict[str, object] = {name: judge(tensors[name], name) for name in MODELS}
    _, observed = observations((seed,))
    for name, estimate in ESTIMATORS.items():
        matrix = estimate(times().numpy(), observed[0].numpy())
        found[name] = judge(torch.from_numpy(matrix), name)
    errors = [relative_error(as_array(matrix), true) for matrix in tensors["course"]]
    away = [k for k, error in enumerate(errors) if error > CLOSE]
    last = away[-1] + 1 if away else 0
    found["settled"] = -1 if last == len(errors) else last * EVERY
    first = as_array(tensors["course"][0])
    found["start_turn"] = float(first[1, 0] - first[0, 1]) / 2
    step = T_MAX / (POINTS - 1) / EULER_STEPS
    found["euler_bias"] = relative_error(euler_matrix(true, step), true)
    found["gradient"] = gradient_error(seed)
    return found


def judge(matrix: Tensor, name: str) -> dict[str, object]:
    """What one matrix is worth."""
    data_by_euler, model_by_euler = name in EULER_DATA, name in BY_EULER
    seen, count = (FIRST_PART, POINTS) if name == "first-part" else (POINTS, 2 * POINTS)
    wanted = flow(truth(), start(), count, data_by_euler)
    got = flow(matrix, start(), count, model_by_euler)
    others = starts_in_box(8, 0.7, seed=1)
    rest = relative_trajectory_error(
        flow(matrix, others, POINTS, model_by_euler), flow(truth(), others, POINTS, data_by_euler)
    )
    error = relative_error(as_array(matrix), as_array(truth()))
    decay, frequency = decay_and_frequency(as_array(matrix))
    rms = float((got[:seen] - wanted[:seen]).square().mean().sqrt())
    return {
        "matrix": matrix.flatten().tolist(),
        "error": error,
        "recovered": "found" if error <= CLOSE else "missed",
        "decay": decay,
        "frequency": frequency,
        "fit": relative_trajectory_error(got[:seen], wanted[:seen]),
        "beyond": relative_trajectory_error(got[seen:], wanted[seen:]),
        "rest": rest,
        "matched": "matched" if rms <= NOISE else "missed",
    }
