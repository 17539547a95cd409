"""Records and tables: the schema is declared once and checked at every door."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump import model
from streetbump.model import (
    BUMPS,
    CLASSES,
    CLUSTERS,
    MEMBERS,
    OBSTACLE_CLASS,
    OBSTACLES,
    P_COLUMNS,
    PASSES,
    STRETCHES,
    TRIPS,
    Column,
    Gravity,
    JoltClass,
    PlaceState,
    RequestState,
    Table,
    TimeBasis,
    Trip,
    classify_rows,
    trip_key,
    upload_id_of,
)

TABLES = (BUMPS, PASSES, TRIPS, OBSTACLES, CLUSTERS, MEMBERS, STRETCHES)
SMALL = Table(
    "small",
    (
        Column("id", "int64", "", "a number"),
        Column("size", "float64", "m", "a length", 1e-2),
        Column("word", "str", "", "a word; None: none"),
        Column("good", "bool", "", "yes or no"),
    ),
)
ROWS = {"id": [3, -1], "size": [1.234, np.nan], "word": ["a", None], "good": [True, False]}

by_table = pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)


@by_table
def test_an_empty_table_has_its_schema(table):
    """No rows still means every declared column, in its type."""
    empty = table.check(table.empty())
    assert len(empty) == 0
    assert tuple(empty.columns) == table.names
    assert table.check(pd.concat([empty, table.empty()])) is not None


@by_table
def test_every_column_has_a_meaning(table):
    """A column says what it means, in which unit, and is declared once."""
    assert len(set(table.names)) == len(table.names)
    for column in table.columns:
        assert column.meaning
        assert column.dtype in {"int64", "float64", "bool", "str"}
        assert (column.unit != "") == (column.dtype == "float64" or column.name.endswith("_ns"))


def test_build_gives_the_declared_types():
    """Lists become columns of the declared types; what is unknown stays unknown."""
    built = SMALL.check(SMALL.build(ROWS))
    assert built["size"].tolist()[0] == 1.23
    assert built.isna().to_numpy().tolist() == [[False] * 4, [False, True, True, False]]


def test_the_order_of_columns_given_does_not_matter():
    """Columns come out in their declared order."""
    turned = SMALL.build(dict(reversed(ROWS.items())))
    pd.testing.assert_frame_equal(turned, SMALL.build(ROWS), check_exact=True)


def test_an_index_means_nothing():
    """Columns are put together by position; an index they carry is left behind."""
    words = pd.Series(["a", "b"], index=[7, 3])
    built = SMALL.build({**ROWS, "word": words})
    assert built["word"].tolist() == ["a", "b"]
    assert built.index.tolist() == [0, 1]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(value=st.floats(-1e6, 1e6))
def test_values_are_rounded_once(value):
    """A built value is a multiple of its resolution, and building again does not move it."""
    once = SMALL.build({**ROWS, "size": [value, value]})["size"]
    again = SMALL.build({**ROWS, "size": once})["size"]
    assert once.tolist() == again.tolist()
    assert abs(once[0] - value) <= 0.005 + 1e-9
    assert once[0] == round(once[0], 2)


def test_there_is_no_negative_zero():
    """What rounds to zero is plain zero: it is printed, hashed and compared."""
    assert str(SMALL.build({**ROWS, "size": [-0.001, -0.0]})["size"].tolist()) == "[0.0, 0.0]"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({k: v for k, v in ROWS.items() if k != "size"},
         r"table small: missing \['size'\], unknown \[\]"),
        ({**ROWS, "colour": [1, 2]}, r"table small: missing \[\], unknown \['colour'\]"),
        ({"id": [1]}, r"table small: missing \['good', 'size', 'word'\], unknown \[\]"),
    ],
    ids=["missing", "unknown", "several"],
)  # fmt: skip
def test_build_names_the_columns_that_are_wrong(columns, said):
    """A missing or undeclared column is named."""
    with pytest.raises(ValueError, match=said):
        SMALL.build(columns)


@pytest.mark.parametrize("values", [["x", "y"], [np.nan, 1.0]], ids=["words", "NaN as integer"])
def test_build_refuses_what_is_no_number(values):
    """A column that cannot take its type is refused."""
    with pytest.raises(ValueError, match=r"invalid literal|NaN to integer"):
        SMALL.build({**ROWS, "id": values})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="word"), r"table small: columns are \['id', 'size', 'good'\]"),
        (lambda t: t.assign(more=1), r"columns are \['id', 'size', 'word', 'good', 'more'\]"),
        (lambda t: t[["size", "id", "word", "good"]], r"columns are \['size', 'id'"),
        (lambda t: t.astype({"id": "int32"}), r"table small: id is int32, not int64"),
        (lambda t: t.astype({"size": "float32"}), r"table small: size is float32, not float64"),
        (lambda t: t.astype({"word": object}), r"table small: word is object, not str"),
        (lambda t: t.astype({"good": "int64"}), r"table small: good is int64, not bool"),
    ],
    ids=["missing", "unknown", "another order", "int32", "float32", "object", "number as bool"],
)
def test_check_names_the_column_that_is_wrong(change, said):
    """A door refuses a table whose columns are not the declared ones, and says which."""
    with pytest.raises(ValueError, match=said):
        SMALL.check(change(SMALL.build(ROWS)))


def test_check_gives_the_table_itself():
    """Checking copies nothing."""
    built = SMALL.build(ROWS)
    assert SMALL.check(built) is built


# ------------------------------------------------------------------------------- classes


def test_eight_classes_have_a_probability():
    """Every class but `unsure` has a column, in one order everywhere."""
    assert len(CLASSES) == len(P_COLUMNS) == 8
    assert JoltClass.UNSURE not in CLASSES
    for table in (BUMPS, CLUSTERS):
        assert tuple(n for n in table.names if n.startswith("p_")) == P_COLUMNS


@pytest.mark.parametrize(
    ("p", "word"),
    [
        ([0.7, 0.1, 0.1, 0.1, 0, 0, 0, 0], "pothole"),
        ([0.1, 0.5, 0.1, 0.1, 0.2, 0, 0, 0], "hump"),
        ([0.49, 0.31, 0.1, 0.1, 0, 0, 0, 0], "unsure"),
        ([0.5, 0.5, 0, 0, 0, 0, 0, 0], "pothole"),
        ([np.nan] * 8, "unsure"),
    ],
    ids=["clear", "exactly enough", "not enough", "a tie goes to the first", "unknown"],
)
def test_a_class_is_named_when_it_is_likely_enough(p, word):
    """The likeliest class is the word, unless its probability is too small."""
    assert classify_rows(np.array([p], float), unsure_below=0.5) == [word]


def test_no_rows_have_no_classes():
    """Zero rows give zero words."""
    assert classify_rows(np.empty((0, 8)), unsure_below=0.5) == []


def test_an_inventory_never_excuses_a_pothole():
    """Every kind of an inventory excuses one class, which is neither a defect nor a doubt."""
    assert set(OBSTACLE_CLASS.values()) == {
        JoltClass.HUMP, JoltClass.CASTING, JoltClass.JOINT, JoltClass.MARKER,
    }  # fmt: skip
    assert OBSTACLE_CLASS["rail"] is JoltClass.JOINT


@pytest.mark.parametrize("enum", [JoltClass, PlaceState, RequestState, TimeBasis, Gravity])
def test_stored_words_are_lower_case(enum):
    """The words of an enum are stored, so they are its names in lower case and never change."""
    assert [e.value for e in enum] == [e.name.lower() for e in enum]


# ----------------------------------------------------------------------------- identities


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.binary(max_size=100))
def test_an_upload_is_its_bytes(data):
    """The id of an upload is the SHA-256 of its bytes; its key is the start of that."""
    upload_id = upload_id_of(data)
    assert upload_id == hashlib.sha256(data).hexdigest()
    assert trip_key(upload_id) % 2**64 == int(upload_id[:16], 16)
    assert -(2**63) <= trip_key(upload_id) < 2**63


def some_trip(n: int, **changes: object) -> Trip:
    none = np.empty(0, np.int64)
    small = none.astype(np.int32)
    return Trip(
        **{
            "upload_id": "", "trip_id": "80" + "00" * 31, "format": "x",
            "t_ns": np.arange(n) * 20_000_000, "acc": np.zeros((n, 3), np.int32),
            "fix_t_ns": none, "lat_e7": small, "lon_e7": small, "speed_mms": small,
            "heading_cdeg": small, "accuracy_mm": small, "origin_ns": 0,
            "gravity": Gravity.KEPT, "time_basis": TimeBasis.ABSOLUTE, **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize(("samples", "rate"), [(0, 0.0), (1, 0.0), (2, 50.0), (100, 50.0)])
def test_the_rate_is_the_usual_step(samples, rate):
    """The rate is that of the median step; one sample has none."""
    assert some_trip(samples).rate_hz == pytest.approx(rate, abs=1e-9)


def test_a_gap_does_not_change_the_rate():
    """A long gap, or a burst, leaves the usual step what it is."""
    t_ns = np.arange(100) * 20_000_000
    t_ns[50:] += 3_600_000_000_000
    assert some_trip(100, t_ns=t_ns).rate_hz == pytest.approx(50.0, abs=1e-9)


@pytest.mark.parametrize(
    ("basis", "dated"),
    [(TimeBasis.ABSOLUTE, True), (TimeBasis.DATE_GIVEN, True), (TimeBasis.RELATIVE, False)],
)
def test_a_relative_clock_names_no_days(basis, dated):
    """Only a clock that says when has days."""
    assert some_trip(2, time_basis=basis).dated is dated


def test_the_key_of_a_trip_is_signed():
    """A trip's key fits a signed 64-bit column."""
    assert some_trip(2).key == -(2**63)


def test_units_are_the_declared_ones():
    """The quantities everything is stored in."""
    assert (model.ACC_LSB_MS2, model.DEG_LSB, model.UNKNOWN) == (1e-4, 1e-7, -1)
