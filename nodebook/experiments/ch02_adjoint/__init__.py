"""Chapter 02: the adjoint method."""

EXPERIMENTS = ("adjoint_extensions", "adjoint_formulas", "adjoint_statements")
