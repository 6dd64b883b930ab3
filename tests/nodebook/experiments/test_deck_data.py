"""The statements of two decks about MIT-BIH, measured on small databases."""

import pytest
from ecg_records import Records, make_record

from nodebook.evidence import results
from nodebook.experiments.ch08_mitdb import deck_data
from nodelib import data


def test_the_share_of_a_class_that_its_name_covers_is_counted():
    db = Records([make_record("100", "NNNL+VVVEF~"), make_record("102", "AaJS///Q")])
    measured = deck_data.names(db)
    assert measured["meant"] == {"N": 0.75, "S": 1.0, "V": 0.75, "F": 1.0, "Q": 0.25}
    assert measured["most"]["Q"] == "paced beat"
    assert measured["most"]["V"] == "premature ventricular contraction"


def test_a_last_chunk_that_is_short_is_seen_and_so_is_the_overlap():
    db = Records([make_record("100", "N" * 600), make_record("101", "N" * 100)])
    measured = deck_data.chunks(db)
    assert (measured["chunks"], measured["shortest"]) == (3, 100)
    assert measured["full_share"] == pytest.approx(1 / 3)
    assert measured["overlap_min"] == 128


@pytest.mark.parametrize("variant", ["names", "chunks"])
def test_what_is_recorded_comes_out_of_the_real_data_again(real_data, variant):
    got = deck_data.run(variant, 0)
    assert got.data[0].completeness == "complete"
    assert got.metrics == results.one("deck_data", variant).metrics
    assert data.mitdb().provenance.sha256 == results.one("deck_data", variant).data[0]["sha256"]
