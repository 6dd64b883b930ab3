"""Butcher tableaus of the explicit Runge-Kutta methods, as data.

A method with ``s`` stages takes a step of length ``h`` from ``(t, z)`` by

    k_i = f(t + c_i h, z + h sum_{j<i} a_ij k_j),    i = 1..s,
    z(t + h) = z + h sum_i b_i k_i,

and, where it has an embedded partner, estimates the error of that step by
``h sum_i (b_i - embedded_i) k_i``. Notation of Hairer, Nørsett & Wanner, *Solving Ordinary
Differential Equations I*, chapter II.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from nodelib.errors import SolverError


@dataclass(frozen=True)
class Tableau:
    """One explicit Runge-Kutta method.

    Attributes:
        name: the name by which ``nodelib.ode.solvers.solve`` finds it.
        order: order of convergence of the solution.
        a: strictly lower triangle, row ``i`` holds the ``i`` weights of stage ``i`` (row 0 empty).
        b: weights of the solution, one per stage.
        c: nodes, one per stage.
        embedded: weights of the embedded solution, or None for a method without error estimate.
        embedded_order: order of the embedded solution, or None.
    """

    name: str
    order: int
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    embedded: tuple[float, ...] | None = None
    embedded_order: int | None = None

    @property
    def stages(self) -> int:
        """How many times one step evaluates the field."""
        return len(self.b)

    @cached_property
    def fsal(self) -> bool:
        """Whether the last stage is the first of the next step ("first same as last")."""
        return self.stages > 1 and self.c[-1] == 1.0 and (*self.a[-1], 0.0) == self.b

    @cached_property
    def b_error(self) -> tuple[float, ...] | None:
        """Weights of the error estimate, ``b - embedded``; None without embedded solution."""
        if self.embedded is None:
            return None
        return tuple(b - e for b, e in zip(self.b, self.embedded, strict=True))

    @cached_property
    def without_error(self) -> "Tableau":
        """The same solution at least cost: no embedded partner, and no last stage if ``fsal``.

        The last stage of a first-same-as-last method has weight 0 in the solution: it serves the
        error estimate and the next step only.
        """
        last = self.stages - 1 if self.fsal else self.stages
        return replace(
            self,
            a=self.a[:last],
            b=self.b[:last],
            c=self.c[:last],
            embedded=None,
            embedded_order=None,
        )


EULER = Tableau("euler", 1, a=((),), b=(1.0,), c=(0.0,))

MIDPOINT = Tableau("midpoint", 2, a=((), (1 / 2,)), b=(0.0, 1.0), c=(0.0, 1 / 2))

HEUN = Tableau("heun", 2, a=((), (1.0,)), b=(1 / 2, 1 / 2), c=(0.0, 1.0))

#: The classic method of order 4 (Kutta 1901). **Not** what torchdiffeq calls "rk4": see RK4_38.
RK4 = Tableau(
    "rk4",
    4,
    a=((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
    b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    c=(0.0, 1 / 2, 1 / 2, 1.0),
)

#: Kutta's 3/8 rule. torchdiffeq's ``method="rk4"`` is this one (its ``rk4_alt_step_func``, "smaller
#: error with slightly more compute"), which a test confirms to rounding error.
RK4_38 = Tableau(
    "rk4_38",
    4,
    a=((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)),
    b=(1 / 8, 3 / 8, 3 / 8, 1 / 8),
    c=(0.0, 1 / 3, 2 / 3, 1.0),
)

#: Bogacki & Shampine 1989, order 3 with an embedded solution of order 2.
BOGACKI_SHAMPINE = Tableau(
    "bosh3",
    3,
    a=((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    b=(2 / 9, 1 / 3, 4 / 9, 0.0),
    c=(0.0, 1 / 2, 3 / 4, 1.0),
    embedded=(7 / 24, 1 / 4, 1 / 3, 1 / 8),
    embedded_order=2,
)

#: Dormand & Prince 1980, order 5 with an embedded solution of order 4.
DORMAND_PRINCE = Tableau(
    "dopri5",
    5,
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    b=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
    c=(0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    embedded=(
        5179 / 57600,
        0.0,
        7571 / 16695,
        393 / 640,
        -92097 / 339200,
        187 / 2100,
        1 / 40,
    ),
    embedded_order=4,
)

_TSIT5_B = (
    0.09646076681806523,
    0.01,
    0.4798896504144996,
    1.379008574103742,
    -3.290069515436081,
    2.324710524099774,
    0.0,
)

#: Tsitouras 2011, order 5 with an embedded solution of order 4.
TSITOURAS = Tableau(
    "tsit5",
    5,
    a=(
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (
            5.86145544294642,
            -12.92096931784711,
            8.159367898576159,
            -0.071584973281401,
            -0.028269050394068383,
        ),
        _TSIT5_B[:-1],
    ),
    b=_TSIT5_B,
    c=(0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0),
    embedded=(
        _TSIT5_B[0] - 0.001780011052225777,
        _TSIT5_B[1] - 0.0008164344596567469,
        _TSIT5_B[2] + 0.007880878010261995,
        _TSIT5_B[3] - 0.1447110071732629,
        _TSIT5_B[4] + 0.5823571654525552,
        _TSIT5_B[5] - 0.45808210592918697,
        1 / 66,
    ),
    embedded_order=4,
)

TABLEAUS: dict[str, Tableau] = {
    tableau.name: tableau
    for tableau in (
        EULER,
        MIDPOINT,
        HEUN,
        RK4,
        RK4_38,
        BOGACKI_SHAMPINE,
        DORMAND_PRINCE,
        TSITOURAS,
    )
}

#: Names of the methods that estimate the errors of their steps.
ADAPTIVE = tuple(name for name, tableau in TABLEAUS.items() if tableau.embedded is not None)


def find(name: str) -> Tableau:
    """The tableau called ``name``; SolverError with the known names if there is none."""
    if name not in TABLEAUS:
        known = ", ".join(TABLEAUS)
        raise SolverError(f"Unknown method {name!r}. Known methods: {known}.")
    return TABLEAUS[name]
