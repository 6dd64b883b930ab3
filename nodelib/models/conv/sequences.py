"""Layers on short sequences of 64 channels: convolution, field, residual block (chapter 09).

Sequences are kept positions first, (length, n, channels). A tap of a kernel then is one product of
large matrices, and what is shifted against what is a matter of where a slice of rows begins, so
nothing is padded, unfolded or copied. On a processor without hardware for convolutions this takes
half of the time of the usual layout, forwards and back. On a GPU, where the many small operations
would take longer to launch than to run, PyTorch's own convolution does the same.

The layers are those of ``nodelib.models.conv.small_maps`` with one dimension less.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nodelib.errors import ModelError
from nodelib.models.conv.small_maps import CHANNELS, Norm
from nodelib.ode.steps import Field

TAPS = 3


def tap_matrices(weight: Tensor) -> Tensor:
    """The matrices of a kernel (out, in, taps), as ``convolve`` takes them: (taps, in, out).

    Raises:
        ModelError: if the kernel has not three dimensions.
    """
    if weight.dim() != 3:
        raise ModelError(f"a kernel has shape (out, in, taps), not {tuple(weight.shape)}")
    return weight.permute(2, 1, 0).contiguous()


def convolve(
    maps: Tensor, matrices: Tensor, offset: Tensor, *, stride: int = 1, padding: int = 1
) -> Tensor:
    """Sequences (length, n, in), padded by zeros, convolved with a kernel: (new length, n, out).

    As ``torch.nn.functional.conv1d``, with ``matrices`` from ``tap_matrices``. ``offset`` is what
    is added, (out,) or (new length, 1, out).

    Raises:
        ModelError: if the numbers of channels do not fit, or nothing would be left.
    """
    if maps.dim() != 3 or maps.shape[2] != matrices.shape[1]:
        raise ModelError(
            f"sequences of shape {tuple(maps.shape)} do not fit a kernel of {matrices.shape[1]} "
            "channels: they must be (length, n, channels)"
        )
    length = (len(maps) + 2 * padding - len(matrices)) // stride + 1
    if length < 1:
        raise ModelError(f"sequences of length {len(maps)} are too short for the kernel")
    offset = offset.expand(length, 1, matrices.shape[2])
    if maps.is_cuda:
        return native(maps, matrices, stride, padding) + offset
    return _Convolution.apply(maps, matrices, offset, stride, padding)


def native(maps: Tensor, matrices: Tensor, stride: int, padding: int) -> Tensor:
    """``convolve`` without an offset by PyTorch's own convolution."""
    kernel = matrices.permute(2, 1, 0)
    usual = nn.functional.conv1d(maps.permute(1, 2, 0), kernel, stride=stride, padding=padding)
    return usual.permute(2, 0, 1)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, maps, matrices, offset, stride, padding) -> Tensor:
        parts = _parts(maps, stride)
        result = offset.expand(len(offset), maps.shape[1], -1).clone()
        for tap, rows, part, taken in _aligned(parts, len(matrices), len(result), padding):
            _flat(result[rows]).addmm_(_flat(part[taken]), matrices[tap])
        ctx.save_for_backward(maps, matrices)
        ctx.stride, ctx.padding = stride, padding
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        maps, matrices = ctx.saved_tensors
        grad = grad.contiguous()
        parts = _parts(maps, ctx.stride)
        grad_parts = [torch.zeros_like(part) for part in parts]
        grad_matrices = torch.zeros_like(matrices)  # of a tap that reaches nothing, 0
        together = zip(
            _aligned(parts, len(matrices), len(grad), ctx.padding),
            _aligned(grad_parts, len(matrices), len(grad), ctx.padding),
            strict=True,
        )
        for (tap, rows, part, taken), (_, _, grad_part, _) in together:
            arriving = _flat(grad[rows])
            if ctx.needs_input_grad[0]:
                _flat(grad_part[taken]).addmm_(arriving, matrices[tap].t())
            if ctx.needs_input_grad[1]:
                torch.mm(_flat(part[taken]).t(), arriving, out=grad_matrices[tap])
        return _joined(grad_parts, len(maps)), grad_matrices, grad.sum(1, keepdim=True), None, None


def _parts(maps: Tensor, stride: int) -> list[Tensor]:
    """Every ``stride``-th position, from each of the first ones on."""
    return [maps[first::stride].contiguous() for first in range(stride)]


def _joined(parts: list[Tensor], length: int) -> Tensor:
    """The inverse of ``_parts``."""
    if len(parts) == 1:
        return parts[0]
    joined = parts[0].new_empty(length, *parts[0].shape[1:])
    for first, part in enumerate(parts):
        joined[first :: len(parts)] = part
    return joined


def _aligned(
    parts: list[Tensor], taps: int, length: int, padding: int
) -> Iterator[tuple[int, slice, Tensor, slice]]:
    """For each tap: the rows of the result that it reaches, and the part and its rows it reads."""
    for tap in range(taps):
        shift, first = divmod(tap - padding, len(parts))
        start, stop = max(0, -shift), min(length, len(parts[first]) - shift)
        if start < stop:
            yield tap, slice(start, stop), parts[first], slice(start + shift, stop + shift)


def _flat(rows: Tensor) -> Tensor:
    return rows.view(-1, rows.shape[-1])


class SequenceField(nn.Module):
    """The field of the printed ``ODEfunc``: norm, ReLU, convolution, twice, and a last norm.

    Each convolution sees the time as one more channel, the first of its 65, which is constant over
    the sequence; that is the time multiplied by one fixed sequence, so nothing is concatenated.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(rectified=k < 2) for k in range(3))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(CHANNELS + 1, CHANNELS, TAPS, padding=1) for _ in range(2)
        )

    def kernels(self, length: int) -> tuple[Tensor, ...]:
        """What a solve needs of the convolutions, the same at every time: compute it once.

        For each its matrices (3, 64, 64), the sequence of the time (length, 1, 64) and the bias.
        """
        found: list[Tensor] = []
        for convolution in self.convolutions:
            weight = convolution.weight
            ones = weight.new_ones(1, 1, length)
            of_time = nn.functional.conv1d(ones, weight[:, :1], padding=1).permute(2, 0, 1)
            found += [tap_matrices(weight[:, 1:]), of_time.contiguous(), convolution.bias]
        return tuple(found)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        """The field at time ``t`` and sequences (length, n, 64)."""
        return self.at(t, z, self.kernels(len(z)))

    def prepared(self, z: Tensor) -> tuple[Field, tuple[Tensor, ...]]:
        """The field with the ``kernels()`` for ``z`` at hand, and the tensors it depends on."""
        kernels = self.kernels(len(z))

        def field(t: Tensor, z: Tensor) -> Tensor:
            return self.at(t, z, kernels)

        return field, (*kernels, *self.norms.parameters())

    def at(self, t: Tensor, z: Tensor, kernels: tuple[Tensor, ...]) -> Tensor:
        """The same with ``kernels()`` at hand."""
        for k in range(2):
            matrices, of_time, bias = kernels[3 * k : 3 * k + 3]
            z = convolve(self.norms[k](z), matrices, t * of_time + bias)
        return self.norms[2](z)


class ResidualSequence(nn.Module):
    """The printed ``ResBlock``: ``z + conv(relu(norm(conv(relu(norm(z))))))``, (length, n, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(rectified=True) for _ in range(2))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(CHANNELS, CHANNELS, TAPS, padding=1, bias=False) for _ in range(2)
        )

    def forward(self, z: Tensor) -> Tensor:
        """The output of the block, of the shape of ``z``."""
        none = z.new_zeros(CHANNELS)
        change = z
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            change = convolve(norm(change), tap_matrices(convolution.weight), none)
        return z + change
