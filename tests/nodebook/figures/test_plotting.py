import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import colors, rcParams

from nodebook.figures import plotting
from nodelib.data.find.provenance import Provenance


@pytest.fixture
def axes():
    plotting.use_style()
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    c = np.array(colors.to_rgb(colour))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_a_saved_figure_is_opaque_and_white(axes):
    stream = io.BytesIO()
    axes.figure.savefig(stream)
    stream.seek(0)
    pixels = plt.imread(stream)
    assert pixels.shape[2] == 3 or (pixels[..., 3] == 1).all()
    assert (pixels[0, 0, :3] == 1).all()


def test_lines_take_the_colours_of_the_palette_in_order(axes):
    lines = [axes.plot([0, k])[0].get_color() for k in range(3)]
    assert lines == list(plotting.CYCLE[:3])


def test_every_line_colour_stands_out_from_white():
    for colour in plotting.CYCLE:
        assert 1.05 / (luminance(colour) + 0.05) > 2


def test_using_the_style_undoes_what_was_set_before():
    rcParams["lines.linewidth"] = 9
    rcParams["image.cmap"] = "jet"
    plotting.use_style()
    assert rcParams["lines.linewidth"] == plotting.STYLE["lines.linewidth"]
    assert rcParams["image.cmap"] == "viridis"


def test_ecg_paper_has_square_boxes_of_forty_milliseconds_and_a_tenth_of_a_millivolt(axes):
    plotting.ecg_paper(axes, (10.0, 12.0), (-1.0, 1.5))
    axes.figure.draw_without_rendering()
    for axis, small, large in ((axes.xaxis, 0.04, 0.2), (axes.yaxis, 0.1, 0.5)):
        np.testing.assert_allclose(np.diff(axis.get_majorticklocs()), large)
        every = np.union1d(
            np.round(axis.get_minorticklocs(), 6), np.round(axis.get_majorticklocs(), 6)
        )
        low, high = sorted(axis.get_view_interval())
        every = every[(every >= low) & (every <= high)]
        np.testing.assert_allclose(np.diff(every), small, rtol=1e-4)
    assert axes.get_xlim() == (10.0, 12.0)
    corner, small_box = axes.transData.transform([(10.0, 0.0), (10.04, 0.1)])
    width, height = small_box - corner
    assert width == pytest.approx(height)


def test_only_whole_seconds_and_millivolts_are_labelled(axes):
    plotting.ecg_paper(axes, (10.0, 12.0), (-1.0, 1.5))
    axes.figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_xticklabels() if label.get_text()]
    assert labels == ["10", "11", "12"]


def test_an_empty_range_is_refused(axes):
    with pytest.raises(ValueError, match="seconds must be a range"):
        plotting.ecg_paper(axes, (2.0, 2.0), (-1.0, 1.0))
    with pytest.raises(ValueError, match="millivolts must be a range"):
        plotting.ecg_paper(axes, (0.0, 2.0), (1.0, -1.0))


def test_an_ecg_shows_the_annotations_in_its_time_and_no_others(axes):
    signal = np.sin(np.arange(1000) / 10)
    plotting.plot_ecg(
        axes,
        signal,
        100.0,
        start=2.0,
        stop=5.0,
        samples=np.array([100, 250, 300, 700]),
        symbols=["N", "V", "A", "N"],
        colours={"V": plotting.VERMILION},
    )
    shown = {text.get_text(): (text.get_position()[0], text.get_color()) for text in axes.texts}
    assert shown == {"V": (2.5, plotting.VERMILION), "A": (3.0, plotting.BLACK)}
    time, trace = axes.lines[0].get_data()
    assert (time[0], len(trace)) == (2.0, 300)
    assert axes.get_ylim()[1] > signal.max()


def test_the_range_of_the_paper_can_be_given(axes):
    plotting.plot_ecg(axes, np.zeros(500), 100.0, start=0, stop=2, millivolts=(-1.0, 2.0))
    assert axes.get_ylim() == (-1.0, 2.0)


@pytest.mark.parametrize(
    ("completeness", "words"),
    [("synthetic", "mitdb: synthetic records"), ("partial", "mitdb: a part of"), ("complete", "")],
)
def test_a_figure_says_where_its_data_are_not_the_complete_real_ones(axes, completeness, words):
    plotting.mark_source(axes.figure, Provenance("mitdb", "x", completeness, "0", "All."))
    assert axes.figure.get_suptitle().startswith(words)
    assert bool(axes.figure.get_suptitle()) == bool(words)
