"""The figures and tables of chapter 08."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from nodebook.evidence import results
from nodebook.experiments.ch08_mitdb import heartbeat_sets, mitdb_pictures, rr_census
from nodebook.figures import ecg, ecg_tables, plotting
from nodelib.data import aami


@pytest.fixture(autouse=True)
def style():
    plotting.use_style()
    yield
    plt.close("all")


def pictures():
    return results.one("mitdb_pictures", "pictures")


def census():
    return results.one("mitdb_census", "annotations")


def medians():
    return {c: census().metric(f"rr_median_s.{c}") for c in aami.CLASSES}


FIGURES = {
    "classes": lambda: ecg.classes(pictures()),
    "strip": lambda: ecg.strip(pictures()),
    "intervals": lambda: ecg.intervals(pictures(), medians(), mitdb_pictures.EDGES),
    "rows": lambda: ecg.rows(pictures()),
    "clumps": lambda: ecg.clumps(pd.DataFrame(census().history)),
    "chunks": lambda: ecg.chunks(2273, 512, 128),
    "hearts": lambda: ecg.failing_hearts(
        {name: results.one("rr_census", name) for name in ("nsr2db", "chf2db")}, rr_census.EDGES
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_lettering_is_nine_pixels_on_a_phone(name):
    figure = FIGURES[name]()
    figure.canvas.draw()
    sizes = [
        text.get_fontsize() * 342 / (72 * figure.get_figwidth())
        for text in figure.findobj(plt.Text)
        if text.get_text() and text.get_visible()
    ]
    assert sizes
    assert min(sizes) > 8.9


def test_every_symbol_has_its_count_of_the_whole_database():
    table = ecg_tables.beats(census())
    assert table.loc["L", "beats"] == "8,075"
    assert table.loc["L", "class"] == "N"
    total = sum(int(count.replace(",", "")) for count in table["beats"])
    assert total == census().metric("beats")


def test_a_label_stands_beside_the_class_that_is_counted():
    run = results.one("heartbeat_sets", "by-beat", 0)
    table = ecg_tables.labels(run, heartbeat_sets.DECK, heartbeat_sets.DECK_LABELS)
    wrong = table[table["class meant"] != table["class counted"]]
    assert list(wrong.index) == ["S", "F", "U"]
    assert table.loc["S", "class counted"] == "Q"


def test_the_missing_beats_are_the_last_ones():
    published = {"N": 90_589, "S": 2_779, "V": 7_236, "F": 803, "Q": 8_039}
    table = ecg_tables.missing(census(), published)
    assert (table["missing"] == table["last beats"]).all()
