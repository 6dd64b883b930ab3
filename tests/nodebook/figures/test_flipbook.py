"""Pictures to leaf through: self-contained, labelled, of bounded size."""

import base64
import re

import matplotlib.pyplot as plt
import pytest

from nodebook.figures.flipbook import flipbook, png


@pytest.fixture(scope="module")
def frames():
    return [png(line(k)) for k in range(3)]


def line(k):
    figure, ax = plt.subplots(figsize=(2, 2))
    ax.plot([0, k])
    return figure


def page(frames, **changes):
    arguments = {"alt": "A line.", "name": "book-1", "slider": "step"} | changes
    return flipbook(frames, ["step 0", "step <1>", "step 2"], **arguments)


def test_frames_are_small_pictures_and_their_figures_are_closed(frames):
    assert all(frame.startswith(b"\x89PNG") for frame in frames)
    assert max(map(len, frames)) < 10_000
    figure = line(1)
    assert plt.fignum_exists(figure.number)
    png(figure)
    assert not plt.fignum_exists(figure.number)


def test_everything_is_in_the_page_and_nothing_is_fetched(frames):
    text = page(frames)
    assert "http" not in text
    assert "<link" not in text
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert [base64.b64decode(source) for source in sources] == frames


def test_without_script_only_the_last_frame_shows_and_every_frame_has_a_text(frames):
    text = page(frames)
    images = re.findall(r"<img[^>]+>", text)
    assert ["display:block" in image for image in images] == [False, False, True]
    assert all('alt="A line. step' in image for image in images)
    assert "step &lt;1&gt;" in text


def test_the_slider_has_a_label_and_starts_at_the_frame_that_shows(frames):
    text = page(frames)
    assert '<label for="book-1-slider">step</label>' in text
    assert 'id="book-1-slider" min="0" max="2" value="2"' in text


def test_missing_labels_and_names_that_are_no_identifiers_are_refused(frames):
    with pytest.raises(ValueError, match="2 frames and 3 labels"):
        page(frames[:2])
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        page(frames, name="a b")
