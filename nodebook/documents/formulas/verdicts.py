"""What a formula of a document is, and the rule by which it gets its verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nodebook.documents.formulas.system import System

TOLERANCE = 1e-7

Classification = Literal["holds", "holds up to sign", "misses a term", "wrong"]
CLASSIFICATIONS: tuple[Classification, ...] = (
    "holds",
    "holds up to sign",
    "misses a term",
    "wrong",
)


@dataclass(frozen=True)
class Evaluation:
    """A formula's two sides on the system, as tensors of one shape.

    Attributes:
        printed: the side that the document prints, under the document's own convention.
        reference: what it claims to be, computed without it.
        missing: for a formula that lacks a term, that term as we think it should be.
        corrected: for a formula that is not right, the value of our correction.
    """

    printed: Tensor
    reference: Tensor
    missing: Tensor | None = None
    corrected: Tensor | None = None


@dataclass(frozen=True)
class Formula:
    """One displayed formula.

    ``statement`` is LaTeX, as printed. ``quantity`` says in words what is compared. ``correction``
    is the right formula in the document's letters, for a formula that does not hold.
    """

    id: str
    place: str
    statement: str
    quantity: str
    evaluate: Callable[[System], Evaluation]
    correction: str = ""
    note: str = ""

    @property
    def document(self) -> str:
        """The document's number, "000" to "004"."""
        return self.id[:3]


@dataclass(frozen=True)
class Verdict:
    """Relative errors of a formula as printed, with its sign turned, and corrected; the class."""

    classification: Classification
    relative_error: float
    flipped_relative_error: float
    corrected_relative_error: float | None
    printed: list[float]
    reference: list[float]


def relative_error(value: Tensor, reference: Tensor) -> float:
    """Largest difference between the entries over the largest entry of the reference."""
    if value.shape != reference.shape:
        raise ValueError(f"shapes {tuple(value.shape)} and {tuple(reference.shape)} differ")
    return float((value - reference).abs().max() / reference.abs().max())


def judge(evaluation: Evaluation) -> Verdict:
    """The verdict by rule: the first of these whose relative error is below ``TOLERANCE``.

    holds: as printed. holds up to sign: with the sign turned. misses a term: with the missing term
    added. wrong: none of them.
    """
    printed, reference = evaluation.printed, evaluation.reference
    error = relative_error(printed, reference)
    flipped = relative_error(-printed, reference)
    corrected = evaluation.corrected
    if evaluation.missing is not None:
        corrected = printed + evaluation.missing
    if error < TOLERANCE:
        classification: Classification = "holds"
    elif flipped < TOLERANCE:
        classification, corrected = "holds up to sign", -printed
    elif evaluation.missing is not None and relative_error(corrected, reference) < TOLERANCE:
        classification = "misses a term"
    else:
        classification = "wrong"
    return Verdict(
        classification,
        error,
        flipped,
        None if corrected is None else relative_error(corrected, reference),
        _numbers(printed),
        _numbers(reference),
    )


def _numbers(value: Tensor) -> list[float]:
    """The entries; of a function of time, given at many points, those at its first point."""
    shown = value if value.numel() <= 4 else value[0]
    return torch.atleast_1d(shown).flatten().tolist()
