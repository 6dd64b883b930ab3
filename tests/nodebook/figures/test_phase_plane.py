"""Phase planes: the truth is nowhere shaded, and a wrong field is."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch

from nodebook.figures import phase_plane
from nodebook.figures.phase_plane import Portrait, true_field

mpl.use("Agg")


def test_only_a_wrong_field_is_shaded():
    walks = torch.ones(3, 1, 2)
    fields = (true_field, lambda z: 3 * true_field(z))
    figure = phase_plane.portraits([Portrait("a", f, walks, 1) for f in fields])
    right, wrong = figure.axes
    shades = [
        sum(len(path.vertices) for path in ax.collections[0].get_paths()) for ax in (right, wrong)
    ]
    assert shades[0] == 0
    assert shades[1] > 0
    plt.close(figure)
