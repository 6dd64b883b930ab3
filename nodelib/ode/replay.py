"""What it takes to evaluate a field again, in a backward pass, as it was evaluated in the solve.

The generator states with which a step began, autocast, and the buffers of modules (running
statistics must not move twice) are put back. What cannot be put back, because something that the
field reads has changed, is noticed: what is computed again must come out as it did.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nodelib.errors import ChangedFieldError, SolverError
from nodelib.ode.dependence import modules_of
from nodelib.ode.evaluations import is_batched, transforms_active
from nodelib.ode.steps import Field

#: See ``digest``.
Digest = tuple[float, float]
GOLDEN = 0.6180339887498949

PLAIN = (bool, int, float, str, type(None))
"""Kinds of attributes that are compared as they are."""


def autocast_at(device: torch.device) -> torch.autocast:
    """The autocast that is in force now, to be entered again later."""
    kind = device.type
    return torch.autocast(
        kind,
        dtype=torch.get_autocast_dtype(kind),
        enabled=torch.is_autocast_enabled(kind),
        cache_enabled=False,
    )


@contextmanager
def buffers_kept(f: Field) -> Iterator[None]:
    """The buffers of the modules that ``f`` uses are afterwards what they were before."""
    kept = [
        (module, name, buffer, buffer.clone(), buffer._version)
        for root in modules_of(f)
        for module in root.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and not buffer.is_inference()
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, content, version in kept:
                if buffer._version != version or not torch.equal(buffer, content):
                    buffer.copy_(content)
                module._buffers[name] = buffer


def attributes_of(f: Field) -> dict[tuple[nn.Module, str], object]:
    """The public attributes of the modules that ``f`` uses that are numbers, words or tensors.

    Tensors (buffers too) come with the count of their changes in place, parameters without.
    """
    found = {}
    for root in modules_of(f):
        for module in root.modules():
            # What is done to parameters in place autograd itself notices.
            for name, value in module._parameters.items():
                found[module, name] = (value, None)
            for name, value in (*vars(module).items(), *module._buffers.items()):
                if isinstance(value, Tensor):
                    found[module, name] = (value, None if value.is_inference() else value._version)
                elif name[0] != "_" and isinstance(value, PLAIN):
                    found[module, name] = value
    return found


def settled(before: dict, after: dict) -> dict:
    """The attributes that the solve itself left as they were."""
    return {k: value for k, value in after.items() if k in before and _alike(before[k], value)}


def check_attributes(f: Field, known: dict) -> None:
    """ChangedFieldError unless the modules of ``f`` still have the attributes in ``known``."""
    now = attributes_of(f)
    for (module, name), value in known.items():
        if not _alike(now.get((module, name)), value):
            raise ChangedFieldError(
                f"In the backward pass the field is not what it was in the solve: "
                f"{type(module).__name__}.{name} was changed since. Go backwards before the "
                f'change, or use grad="backprop".'
            )


def _alike(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[0] is other[0] and one[1] == other[1]
    return type(one) is type(other) and (one == other or one is other)


@contextmanager
def hooks_silent(tensors: Sequence[Tensor]) -> Iterator[None]:
    """The gradient hooks of ``tensors`` do not run within.

    They are for the whole gradient, which autograd hands on afterwards, not for every part of it.
    """
    silent = [(x._backward_hooks, dict(x._backward_hooks)) for x in tensors if x._backward_hooks]
    for hooks, _ in silent:
        hooks.clear()
    try:
        yield
    finally:
        for hooks, entries in silent:
            hooks.update(entries)


def digest(tensor: Tensor) -> Digest:
    """Two sums over the entries, to know a tensor again without keeping it.

    The weights of the second, between 0 and 1, are multiples of the golden ratio without their
    whole part: cheap, and far apart for neighbours, which may so not change places.
    """
    flat = tensor.detach().reshape(-1).to(torch.float64)
    weights = torch.arange(len(flat), dtype=torch.float64, device=flat.device)
    return float(flat.sum()), float(flat @ weights.mul_(GOLDEN).frac_())


def check_same(
    found: Tensor, known: Tensor | Digest, start: Tensor | float, place: str, *numbers: float
) -> None:
    """ChangedFieldError unless ``found``, computed again, is what is ``known``, up to rounding.

    ``known`` is a tensor or the ``digest`` of one; ``place``, a format of ``numbers``, says what
    was computed. Rounding is, in every entry, the square root of
    the precision of the change since ``start``, and 64 units in the last place of the largest
    entry: kernels may differ with and without a graph. In sums over entries it adds up like noise.
    """
    found = found.detach()
    if isinstance(known, Tensor) and torch.equal(found, known):
        return
    precision = torch.finfo(found.dtype).eps
    whole = known if isinstance(known, Tensor) else found
    allowed = 0.0
    if found.numel():
        change, size = (whole - start).abs().max(), whole.abs().max()
        allowed = float(precision**0.5 * change + 64 * precision * size)
    if isinstance(known, Tensor):
        difference = float((found - known).abs().max())
    else:
        allowed *= 4 * found.numel() ** 0.5
        difference = max(abs(a - b) for a, b in zip(digest(found), known, strict=True))
    if not difference <= allowed:
        where = place.format(*numbers)
        raise ChangedFieldError(
            f"In the backward pass the field is not what it was in the solve: {where} comes out "
            f"differently, by {difference:.3g}. Something that the field reads was changed "
            f"since (an attribute, a buffer, a parameter's data, train() or eval()), or it draws "
            f"random numbers that cannot be drawn again. Go backwards before the change, or use "
            f'grad="backprop".'
        )


def refuse_foreign_backward(grad_z: Tensor) -> None:
    """SolverError where a backward pass is asked to be differentiable or batched itself.

    Torch would return second derivatives that silently depend on nothing.
    """
    if torch.is_grad_enabled():
        raise SolverError(
            "Second derivatives (create_graph=True) of a solve are to be had with "
            'grad="backprop" only.'
        )
    if transforms_active() or is_batched(grad_z):
        raise SolverError(
            "Batched gradients (is_grads_batched=True, vectorize=True, a torch.func transform of "
            'the backward pass alone) of a solve are to be had with grad="backprop" only.'
        )
