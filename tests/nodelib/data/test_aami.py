import numpy as np

from nodelib.data import aami


def test_each_beat_symbol_has_the_class_that_ec57_gives_it():
    groups = dict.fromkeys(aami.CLASSES, "")
    for symbol, (label, _) in aami.BEATS.items():
        groups[label] += symbol
    assert {label: set(symbols) for label, symbols in groups.items()} == {
        "N": set("NLRej"),
        "S": set("AaJS"),
        "V": set("VE"),
        "F": set("F"),
        "Q": set("/fQ"),
    }


def test_no_symbol_is_both_a_beat_and_not_a_beat():
    assert not set(aami.BEATS) & set(aami.NON_BEATS)


def test_class_index_follows_the_order_of_the_classes_and_marks_what_is_not_a_beat():
    index = aami.class_index(["N", "A", "V", "F", "/", "+", "~"])
    assert index.dtype == np.int8
    assert index.tolist() == [0, 1, 2, 3, 4, -1, -1]


def test_ds1_ds2_and_the_paced_records_divide_the_48_records():
    parts = [set(aami.DS1), set(aami.DS2), set(aami.PACED)]
    assert [len(part) for part in parts] == [22, 22, 4]
    assert len(set.union(*parts)) == 48
    assert "110" not in set.union(*parts)
