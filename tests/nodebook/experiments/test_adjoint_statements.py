import pytest
import torch

from nodebook.documents.formulas.system import System
from nodebook.evidence import results
from nodebook.experiments.ch02_adjoint import adjoint_statements


@pytest.fixture(scope="module")
def system():
    return System(1)


def test_the_summary_of_document_004_needs_the_state(system):
    errors = adjoint_statements.summary(system)
    assert errors["with_state"] < 1e-9
    assert errors["as_printed"] > 0.1


def test_one_call_of_the_adjoint_gives_every_gradient(system):
    errors = adjoint_statements.one_call(system)
    assert set(errors) == {"theta", "z0", "t0", "t1"}
    assert max(errors.values()) < 1e-7


def test_one_block_agrees_with_back_propagation_only_with_its_own_length(system, monkeypatch):
    assert adjoint_statements.one_block(system.inputs) < 1e-12
    plain = torch.tensor
    doubled = lambda value, **kinds: plain(2.0 if value == 1.0 else value, **kinds)  # noqa: E731
    monkeypatch.setattr(adjoint_statements.torch, "tensor", doubled)
    assert adjoint_statements.one_block(system.inputs) > 0.5


def test_the_recorded_runs_agree_with_each_other():
    runs = results.read("adjoint_statements", "statements")
    assert [run.seed for run in runs] == list(adjoint_statements.SEEDS)
    assert len({run.metric("trick.vector") for run in runs}) == 1


def test_elimination_solves_and_a_vector_takes_a_third_of_a_matrix():
    a = torch.tensor([[0.0, 2.0], [3.0, 1.0]]).double()
    x, count = adjoint_statements.eliminate(a, torch.tensor([[4.0], [5.0]]).double())
    assert x[:, 0].tolist() == [1.0, 2.0]
    assert count == 6
    found = adjoint_statements.trick(0)
    assert found["difference"] < 1e-9
    assert 3.5 < found["ratio"] < 4
