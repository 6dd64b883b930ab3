"""The figures of spirals and of resampled signals show what they are given."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from nodebook.figures import latent
from nodelib.data import spirals

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_a_prediction_is_split_where_the_observations_end():
    truth = spirals.make(0).truth[0]
    (ax, _) = latent.predictions([latent.Told(truth, truth[:30], truth + 1)] * 2).axes
    lengths = {line.get_label(): len(line.get_xdata()) for line in ax.lines}
    assert lengths == {"truth": 200, "observed": 30, "found": 100, "extrapolated": 100}


def test_samples_end_where_the_spline_ends():
    signal = np.linspace(0, 1, 40)
    panel = latent.Resampled(8, signal, signal, signal, signal[:25])
    (ax,) = latent.resampled([panel, panel]).axes[:1]
    samples = next(line for line in ax.lines if line.get_label() == "samples")
    assert samples.get_xdata() == pytest.approx(signal[[0, 8, 16, 24]])


def test_both_directions_have_their_line_in_the_latent_plane():
    paths = np.zeros((5, 3, 2))
    (ax,) = latent.latent_paths(paths, np.array([True, False, False]), (0.6, 0.3)).axes
    styles = [line.get_linestyle() for line in ax.lines if len(line.get_xdata()) == 5]
    assert styles == ["-", "--", "--"]


def test_errors_by_place_stand_in_the_middle_of_their_bins_within_the_seeds():
    edges, values = np.array([0, 50, 100]), np.array([[1.0, 4.0], [3.0, 4.0]])
    axes = latent.places({"a": {"one": values}, "b": {"one": 2 * values}}, edges, 49).axes
    line, training = axes[1].lines
    assert list(line.get_xdata()) == [25, 75]
    assert list(line.get_ydata()) == [4, 8]
    assert set(training.get_xdata()) == {49.5}
    ((low, high),) = [c.get_paths()[0].get_extents().intervaly for c in axes[1].collections]
    assert (low, high) == (2, 8)
