"""The documents' formulas about the adjoint, each evaluated as printed on one system.

``system`` holds the system and all exact quantities on it; ``verdicts`` says what a formula is and
how its verdict is computed; ``document_000`` to ``document_004`` hold the formulas, in the order in
which each document prints them. Document 003 prints none.
"""

from nodebook.documents.formulas import document_000, document_001, document_002, document_004
from nodebook.documents.formulas.verdicts import Formula

FORMULAS: tuple[Formula, ...] = (
    *document_000.FORMULAS,
    *document_001.FORMULAS,
    *document_002.FORMULAS,
    *document_004.FORMULAS,
)
