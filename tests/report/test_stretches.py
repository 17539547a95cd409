"""Roughness per stretch and direction: what many passes say together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from streetbump.geo import bin_centre, bin_of
from streetbump.model import PASSES
from streetbump.report.roughness import CAR_SPREAD, COLUMNS, people, stretches

DAY_NS = 86_400_000_000_000
BIN = int(bin_of(np.array([12.0]), np.array([-150.0]))[0])


def passes(n: int, **columns: object) -> pd.DataFrame:
    """One pass each of `n` trips through one bin, due north, but for what is said."""
    plain = {
        "trip_key": np.arange(n), "seq": 0, "bin": BIN, "t_utc_ns": 20_000 * DAY_NS,
        "heading_deg": 0.0, "speed_ms": 11.0, "weight": 1.0, "roughness_ms2": 0.5,
        "roughness_err_ms2": 0.1, "aside_m": 0.0,
    }  # fmt: skip
    return PASSES.build({k: np.broadcast_to(v, n) for k, v in {**plain, **columns}.items()})


def rough(table: pd.DataFrame, dated: bool = True) -> pd.DataFrame:
    return stretches(table, np.full(len(table), dated))


def test_passes_of_one_street_are_one_row():
    """Where, which way, how often, how rough, how fast, when: one row."""
    days = np.array([20_000, 20_003, 20_001]) * DAY_NS
    (row,) = rough(passes(3, t_utc_ns=days, speed_ms=[9.0, 10.0, 14.0])).to_dict("records")
    lat, lon = bin_centre(np.array([BIN]))
    assert tuple(row) == COLUMNS
    assert (row["lat_deg"], row["lon_deg"]) == pytest.approx((lat[0], lon[0]), abs=1e-7)
    assert (row["n_trips"], row["n_passes"], row["heading_deg"]) == (3, 3, 0.0)
    assert (row["roughness_ms2"], row["speed_ms"]) == (0.5, 10.0)
    assert (row["first_day_utc"], row["last_day_utc"]) == ("2024-10-04", "2024-10-07")


@pytest.mark.parametrize("axis_deg", [0.0, 22.5, 44.0, 45.0, 46.0, 67.5, 90.0, 133.0, 179.0])
def test_a_street_at_any_angle_has_two_directions(axis_deg):
    """Headings that scatter about a street's line are one direction each way, never mixed."""
    rng = np.random.default_rng(7)
    back = rng.random(400) < 0.3
    heading = (axis_deg + 180 * back + rng.normal(0, 8, 400)) % 360
    table = rough(passes(400, heading_deg=heading, roughness_ms2=np.where(back, 1.0, 0.3)))
    assert sorted(table["roughness_ms2"]) == [0.3, 1.0]
    assert table["n_trips"].sum() == 400
    apart = np.abs((table["heading_deg"] - axis_deg + 180) % 360 - 180)
    assert sorted(apart.round(-1)) == [0, 180]


def test_a_crossing_has_four_directions():
    """Two streets through one bin are four directions, though turning cars lie in between."""
    rng = np.random.default_rng(8)
    heading = np.concatenate([rng.normal(a, 6, 100) for a in (0, 90, 180, 270)])
    heading = np.concatenate([heading, rng.uniform(0, 360, 30)]) % 360
    table = rough(passes(len(heading), heading_deg=heading))
    busy = table[table["n_trips"] > 50]
    turn = np.abs((np.sort(busy["heading_deg"]) - [0, 90, 180, 270] + 180) % 360 - 180)
    assert len(busy) == 4
    assert turn.max() < 8


def test_no_order_of_rows_matters():
    """Shuffled rows give the same table to the last bit."""
    rng = np.random.default_rng(9)
    n = 500
    table = passes(
        n, trip_key=rng.integers(0, 40, n), seq=np.arange(n), heading_deg=rng.uniform(0, 360, n),
        bin=bin_of(12 + rng.uniform(0, 1e-3, n), np.full(n, -150.0)), weight=rng.uniform(0.1, 1, n),
        roughness_ms2=rng.gamma(4, 0.2, n), roughness_err_ms2=rng.uniform(0.05, 0.2, n),
    )  # fmt: skip
    dated = np.isin(table["trip_key"], np.arange(30))
    expected = stretches(table, dated)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(n)
        pd.testing.assert_frame_equal(
            stretches(table.iloc[order], dated[order]), expected, check_exact=True
        )


def test_what_is_unknown_infects_nothing():
    """Passes without an index, or that count nothing, leave the others' row as it was."""
    table = passes(4, roughness_ms2=[0.4, np.nan, 0.6, 9.0], weight=[1, 1, 1, 0])
    expected = rough(passes(4).iloc[[0, 2]].assign(roughness_ms2=[0.4, 0.6]))
    pd.testing.assert_frame_equal(rough(table), expected)
    none = rough(passes(2, roughness_ms2=np.nan))
    assert (len(none), tuple(none.columns)) == (0, COLUMNS)
    assert len(people(none)) == 0
    undated = rough(passes(2), dated=False)
    assert undated[["first_day_utc", "last_day_utc"]].isna().all(axis=None)


def test_a_trip_has_one_voice():
    """Who goes round the block ten times counts once, with a surer mean."""
    once = passes(2, roughness_ms2=[0.4, 0.8])
    often = passes(11, trip_key=[0] * 10 + [1], seq=np.arange(11), roughness_ms2=[0.4] * 10 + [0.8])
    (a,), (b,) = (rough(t).to_dict("records") for t in (once, often))
    assert (b["n_trips"], b["n_passes"]) == (2, 11)
    assert a["roughness_ms2"] == b["roughness_ms2"] == 0.6
    assert b["roughness_err_ms2"] < a["roughness_err_ms2"]


def test_a_worse_phone_counts_less():
    """The index is the mean by weight."""
    table = rough(passes(2, roughness_ms2=[0.4, 0.8], weight=[1.0, 0.25]))
    assert table["roughness_ms2"].tolist() == [pytest.approx(0.48, abs=1e-3)]


def test_one_trip_is_as_unsure_as_cars_differ():
    """The error of a single pass holds its own and the spread between cars."""
    (row,) = rough(passes(1)).to_dict("records")
    assert row["roughness_err_ms2"] == pytest.approx(np.hypot(0.1, 0.5 * CAR_SPREAD), abs=1e-3)


@pytest.mark.parametrize("n", [1, 2, 4, 16, 64])
def test_the_error_of_many_cars_is_honest(n):
    """It shrinks as one over the root of the number of trips, and 68 % of truths lie within it."""
    rng = np.random.default_rng(n)
    bins = np.arange(3000) * 4 + BIN  # as many stretches, each of its own truth
    truth = np.repeat(rng.uniform(0.2, 1.0, len(bins)), n)
    car, own = rng.normal(0, CAR_SPREAD, len(truth)), rng.normal(0, 0.25, len(truth))
    table = rough(
        passes(
            len(truth), bin=np.repeat(bins, n), roughness_ms2=truth * np.maximum(1 + car + own, 0),
            roughness_err_ms2=0.25 * truth,
        )
    )  # fmt: skip
    error = table["roughness_err_ms2"].to_numpy()
    held = np.abs(table["roughness_ms2"] - truth[::n]) < error
    assert 0.6 < held.mean() < 0.78
    usual = np.hypot(CAR_SPREAD, 0.25) / np.sqrt(n)
    assert np.median(error / truth[::n]) == pytest.approx(usual, rel=0.12)
