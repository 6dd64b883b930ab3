"""Compiled walks: the numbers of the eager ones, and what happens where nothing can be compiled.

The one compilation here takes most of a minute; all checks of results share it.
"""

import shutil

import pytest
import torch
from torch.testing import assert_close

from nodelib.errors import ModelError
from nodelib.models.gru_ode import Stepping, compiled
from nodelib.models.gru_ode.blocks import pass_events
from nodelib.ode.compilation import NoCompilerError
from tests.nodelib.models.gru_ode.batches import gradients, random_batch, small_model

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="no C++ compiler g++: nothing can be compiled"
)


@needs_compiler
def test_a_compiled_walk_has_the_numbers_of_the_eager_one_for_series_of_any_length(monkeypatch):
    monkeypatch.setattr(compiled, "BLOCK", 4)
    stepping = Stepping("euler", delta_t=3.0)
    model = small_model(stepping, compile=True)
    eager = small_model(stepping)
    for lengths in ((5, 0, 1, 7), (0, 11, 3, 2)):
        events = random_batch(1, lengths=lengths)
        ours, theirs = model(events), eager(events)
        for name in ("h", "logits", "nll", "kl", "before", "after"):
            assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-10, atol=1e-10)
        pairs = zip(
            gradients(model, ours.loss(0.1)), gradients(eager, theirs.loss(0.1)), strict=True
        )
        for a, b in pairs:
            assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert model.compiled


@pytest.mark.parametrize(
    "stepping",
    [Stepping("euler", steps=3), Stepping("rk4", steps=2), Stepping("midpoint", delta_t=0.4)],
    ids=["three equal steps", "two equal steps", "steps of at most 0.4"],
)
def test_the_code_that_is_compiled_takes_the_steps_of_the_eager_walk(stepping, monkeypatch):
    """What is handed to the compiler, run as it is: a power of 2 only where some samples wait."""

    def uncompiled(model, h, joint, block, steps):
        return pass_events(model, h, joint, block, (steps,) * len(block[0]))

    monkeypatch.setattr(compiled, "_called", uncompiled)
    events = random_batch(5, lengths=(5, 0, 1, 7))
    ours, theirs = (small_model(stepping, compile=c)(events) for c in (True, False))
    for name in ("h", "nll", "kl", "before", "after"):
        assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-12, atol=1e-12)


def test_without_a_compiler_there_is_one_warning_and_the_eager_numbers(monkeypatch):
    def nothing(*_):
        raise NoCompilerError("PyTorch finds no C++ compiler")

    monkeypatch.setattr(compiled, "_called", nothing)
    events = random_batch(2)
    model, eager = (small_model(Stepping(steps=1), compile=c) for c in (True, False))
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler; going on without") as caught:
        first, second = model(events), model(events)
    assert len(caught) == 1
    assert_close(first.h, eager(events).h, rtol=0, atol=0)
    assert_close(second.h, first.h, rtol=0, atol=0)


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(ModelError, match="adaptive solver is not compiled"):
        small_model(Stepping("dopri5", adaptive=True), compile=True)
    model = small_model(Stepping(delta_t=0.01), compile=True)
    with pytest.raises(ModelError, match="compiled are at most 16"):
        model(random_batch(3))


def test_a_batch_without_events_needs_no_compilation(monkeypatch):
    monkeypatch.setattr(compiled, "_called", None)
    model = small_model(Stepping(steps=2), compile=True)
    assert torch.isfinite(model(random_batch(4, lengths=(0, 0))).h).all()
