import numpy as np
import pytest
import torch

from nodebook.documents.formulas import hamiltonian
from nodebook.documents.formulas.system import Inputs
from nodebook.evidence import results, verification
from nodebook.experiments.ch02_adjoint import adjoint_extensions


@pytest.mark.parametrize("variant", adjoint_extensions.VARIANTS)
def test_all_seeds_are_recorded_and_every_error_is_small(variant):
    recorded = results.read("adjoint_extensions", variant)
    assert [run.seed for run in recorded] == list(adjoint_extensions.SEEDS)
    for run in recorded:
        errors = {name: value for name, value in run.metrics.items() if name.endswith("error")}
        assert errors
        assert max(errors.values()) < 1e-9


@pytest.mark.parametrize("variant", ["running", "blocks"])
def test_recorded_run_derives_again(variant):
    recorded = results.one("adjoint_extensions", variant, 0)
    got = adjoint_extensions.rederive(recorded)
    kept = {name: recorded.metrics[name] for name in got}
    assert got
    assert not verification.compare(kept, got, adjoint_extensions.TOLERANCE)


def test_error_of_the_blocks_falls_as_their_number_grows():
    for run in results.read("adjoint_extensions", "blocks"):
        errors = run.history["exact"]
        assert errors == sorted(errors, reverse=True)
        assert run.metric("order") == pytest.approx(1, abs=0.1)


def test_functional_derivative_by_the_adjoint_is_that_of_finite_differences():
    problem = adjoint_extensions.running_problem(Inputs())
    arguments = [np.array(getattr(problem, name)) for name in ("z0", "times", "thetas")]
    h = 1e-4
    ends = [
        hamiltonian.value(
            problem, *arguments, lambda t, step=step: step * adjoint_extensions.wave(t)
        )
        for step in (h, -h)
    ]
    by_differences = (ends[0] - ends[1]).real / (2 * h)
    assert adjoint_extensions.functional_by_adjoint(problem) == pytest.approx(
        by_differences, rel=1e-6
    )


def test_switched_problem_has_other_parameters_on_every_interval():
    problem = adjoint_extensions.switched_problem(Inputs(), 0)
    assert len(set(problem.thetas)) == 4
    assert problem == adjoint_extensions.switched_problem(Inputs(), 0)
    assert torch.tensor(problem.thetas).shape == (4, 2)
