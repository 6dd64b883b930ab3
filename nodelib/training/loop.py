"""One training loop: progress bar, resuming, and one network or many side by side.

The loss is a function of the number of the step alone: whoever writes it draws the step's random
numbers from ``generator(seed, step)``. Then a run that was interrupted goes on as if it had not
been, and the same call gives the same numbers.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from nodelib.errors import ModelError
from nodelib.training.devices import name_of
from nodelib.training.history import History
from nodelib.training.recipe import Recipe
from nodelib.training.state import State

SAVE_EVERY_SECONDS = 30.0


def train(
    module: nn.Module,
    loss: Callable[[int], Tensor],
    recipe: Recipe,
    *,
    members: int | None = None,
    label: str = "training",
    checkpoint: Path | None = None,
    on_step: Callable[[int], None] | None = None,
    note: Callable[[], float] | None = None,
) -> History:
    """Train a module, or several networks side by side, in place.

    Args:
        module: its parameters are trained.
        loss: loss of a step (0, 1, ...): a scalar, or with ``members`` one number for each network.
        recipe: how.
        members: number of networks side by side, whose parameters all have that leading axis.
            They are trained on the sum of their losses, which no two of them share.
        label: for the progress bar, which is shown in a terminal only.
        checkpoint: file to resume from and to write to as training goes on, or None. It is left in
            place at the end; one of another recipe is refused.
        on_step: called with the number of steps done, first with 0, before each step and at the
            end.
        note: a number to keep for each step, asked for after the step's loss.

    A network among several whose loss or gradient is not finite gets no gradient from that step, so
    that the others go on; ``History.skipped`` says so.

    Raises:
        ModelError: if the loss has the wrong shape, loss or gradient are finite for no network, the
            recipe's shares are not one for each network, or the checkpoint is damaged or not of
            this run.
    """
    parameters = [value for value in module.parameters() if value.requires_grad]
    if recipe.shares is not None and len(recipe.shares) != members:
        raise ModelError(f"{len(recipe.shares)} shares of the rate do not fit {members} networks")
    state = State.start(parameters, recipe)
    if checkpoint is not None and checkpoint.is_file():
        state.restore(checkpoint)
    started, saved, before = time.perf_counter(), time.perf_counter(), state.history.seconds
    device = name_of(parameters[0].device)
    bar = tqdm(
        range(state.done, recipe.steps),
        desc=label,
        initial=state.done,
        total=recipe.steps,
        disable=None,
        leave=False,
    )
    for step in bar:
        if on_step is not None:
            on_step(step)
        values = loss(step)
        if note is not None:
            state.history.notes.append(note())
        _check_shape(values, members)
        gradients = torch.autograd.grad(values.sum(), parameters)
        lost = _lost(values, gradients, step)
        if len(lost):
            gradients = tuple(g.index_fill(0, lost, 0.0) for g in gradients)
            state.history.skipped += [[step, k] for k in lost.tolist()]
        state.update(gradients, members)
        state.history.losses.append(values.detach().reshape(-1).tolist())
        state.history.devices[device] = state.history.devices.get(device, 0) + 1
        state.history.seconds = before + time.perf_counter() - started
        if checkpoint is not None and time.perf_counter() - saved > SAVE_EVERY_SECONDS:
            state.save(checkpoint)
            saved = time.perf_counter()
    if checkpoint is not None:
        state.save(checkpoint)
    state.finish()
    if on_step is not None:
        on_step(recipe.steps)
    return state.history


def _check_shape(values: Tensor, members: int | None) -> None:
    """Refuse a loss of the wrong shape."""
    expected = () if members is None else (members,)
    if values.shape != expected:
        raise ModelError(
            f"the loss must have shape {expected}, not {tuple(values.shape)}: "
            "one number for each network"
        )


def _lost(values: Tensor, gradients: Sequence[Tensor], step: int) -> Tensor:
    """Numbers of the networks whose loss or gradient is not finite; ``values`` are the losses.

    A loss may be finite where its gradient is not; a step along that would end the network.
    """
    loss = finite = values.detach().isfinite().reshape(-1)
    for gradient in gradients:
        finite = finite & gradient.reshape(len(finite), -1).isfinite().all(1)
    if not finite.any():
        more = ", and its gradient is not finite" if loss.any() else ""
        raise ModelError(
            f"the loss is {values.tolist()} at step {step}{more}: training has diverged"
        )
    return (~finite).nonzero().flatten()
