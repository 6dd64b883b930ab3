"""Draw the book's cover picture into book/_static/cover.png: ``python scripts/cover.py``.

Left, what the book is about: a residual network is Euler's method on a vector field. Right, how
such a model learns: the adjoint state, solved backwards from the loss. Both panels are solved by
``nodelib``; nothing is drawn by hand.
"""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from nodelib.ode.solvers import solve

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
TARGET = Path(__file__).resolve().parents[1] / "book" / "_static" / "cover.png"


def field(t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """The damped pendulum, driven a little, so that it depends on time too."""
    angle, speed = z[..., 0], z[..., 1]
    return torch.stack((speed, -torch.sin(angle) - 0.15 * speed + 0.2 * torch.cos(t)), dim=-1)


def backward(t: torch.Tensor, joint: torch.Tensor) -> torch.Tensor:
    """State and adjoint state together: z' = f, a' = -a df/dz."""
    z, a = joint[:2], joint[2:]
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        f = field(t, z)
        (pull,) = torch.autograd.grad(f, z, a)
    return torch.cat((f.detach(), -pull))


def main() -> None:
    """Solve, draw, save."""
    z0 = torch.tensor([2.2, 0.0], dtype=torch.float64)
    times = torch.linspace(0.0, 6.0, 241, dtype=torch.float64)
    exact = solve(field, z0, times).z
    coarse = solve(field, z0, [0.0, 6.0], method="euler", num_steps=40, record_steps=True)
    nodes = torch.stack([step.z for step in coarse.steps] + [coarse.z[-1]])

    end = exact[-1]
    a1 = 2 * (end - torch.tensor([0.0, 0.0], dtype=torch.float64))
    joint = solve(backward, torch.cat((end, a1)), times.flip(0)).z.flip(0)

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    grid = torch.meshgrid(
        torch.linspace(-2.6, 2.6, 17), torch.linspace(-2.6, 2.6, 13), indexing="xy"
    )
    arrows = field(torch.tensor(0.0), torch.stack(grid, dim=-1))
    left.quiver(*grid, arrows[..., 0], arrows[..., 1], color="0.75", width=0.003)
    left.plot(*exact.T, color=BLUE, linewidth=2.2, label="the ODE")
    left.plot(*nodes.T, "o-", color=ORANGE, markersize=3, linewidth=1, label="40 residual blocks")
    left.set(xlabel="angle [rad]", ylabel="speed [rad/s]", xlim=(-2.7, 2.7), ylim=(-2.7, 2.7))
    left.legend(loc="upper left", frameon=False)
    right.plot(times, joint[:, 2], color=BLUE, linewidth=2, label=r"$\lambda_1(t)$, angle")
    right.plot(times, joint[:, 3], color=GREEN, linewidth=2, label=r"$\lambda_2(t)$, speed")
    right.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    right.annotate(
        "solved backwards from the loss",
        xy=(2.2, 0.93),
        xytext=(5.4, 0.93),
        xycoords=("data", "axes fraction"),
        textcoords=("data", "axes fraction"),
        ha="right",
        va="center",
        arrowprops={"arrowstyle": "->", "color": "0.4"},
        color="0.3",
    )
    right.set(xlabel="time [s]", ylabel="adjoint state", xlim=(0, math.ceil(times[-1])))
    right.legend(loc="lower right", frameon=False)
    figure.savefig(TARGET, dpi=160, facecolor="white")


if __name__ == "__main__":
    main()
