"""Rows of small pictures of digits."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from nodebook.figures import plotting
from nodebook.figures.plotting import WIDTH
from nodelib.data.find.provenance import Provenance


def rows(images: Mapping[str, Iterable[Tensor]], provenance: Provenance) -> Figure:
    """Images of 28 by 28 pixels between 0 and 1, as many in each named row."""
    table = {name: list(row) for name, row in images.items()}
    columns = len(next(iter(table.values())))
    figure, axes = plt.subplots(len(table), columns, figsize=(WIDTH, 0.6 * len(table) + 0.3))
    plotting.mark_source(figure, provenance)
    for line, (name, row) in zip(axes, table.items(), strict=True):
        for ax, image in zip(line, row, strict=True):
            ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure
