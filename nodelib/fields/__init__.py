"""Known vector fields ``f(t, z)``, states (..., d): analytic ones, and random ones from a seed."""

from nodelib.fields.analytic import (
    ForcedVanDerPol,
    Linear,
    LinearSpiral,
    Lorenz,
    LotkaVolterra,
    VanDerPol,
)

__all__ = ["ForcedVanDerPol", "Linear", "LinearSpiral", "Lorenz", "LotkaVolterra", "VanDerPol"]
