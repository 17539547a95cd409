"""Coverage: what is known of a street, what is not, and who is behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from streetbump.geo import bin_of, from_local_m
from streetbump.model import BUMPS, PASSES, TRIPS
from streetbump.report.coverage import (
    COLUMNS,
    STATES,
    Surroundings,
    along,
    coverage,
    shown,
    visits,
)
from streetbump.report.districts import districts, votes
from streetbump.report.streets import pieces_of, survey

HERE = (12.0, -150.0)
DAY_NS = 86_400_000_000_000
DAY = 20_515  # 2026-03-03
NOON_NS = 22 * 3_600_000_000_000  # noon by the sun at 150° W
TODAY = "2026-03-13"
NOWHERE = pd.DataFrame({"lat_deg": [], "lon_deg": [], "heading_deg": []}, dtype="float64")


def at(east_m: Any, north_m: Any = 0.0) -> tuple[np.ndarray, np.ndarray]:
    east, north = np.broadcast_arrays(np.atleast_1d(east_m), np.atleast_1d(north_m))
    return from_local_m(east.astype(float), north.astype(float), lat0_deg=HERE[0], lon0_deg=HERE[1])


def driven(
    east_m: Any, *, cars: int = 8, north_m: float = 0.0, heading: float = 90.0, first: int = 0,
    days: int = 1, last_day: int = DAY, rough: float = np.nan,
) -> pd.DataFrame:  # fmt: skip
    """Every car drives every bin once a day."""
    lat, lon = at(east_m, north_m)
    bins = np.unique(bin_of(lat, lon))
    trip = np.arange(cars * days)
    t_ns = (last_day - trip // cars) * DAY_NS + NOON_NS
    n, m = len(bins), len(trip)
    return PASSES.build(
        {
            "trip_key": np.repeat(first + trip, n), "seq": np.tile(np.arange(n), m),
            "bin": np.tile(bins, m), "t_utc_ns": np.repeat(t_ns, n),
            "heading_deg": np.full(n * m, heading), "speed_ms": np.full(n * m, 10.0),
            "weight": np.ones(n * m), "roughness_ms2": np.full(n * m, rough),
            "roughness_err_ms2": np.full(n * m, 0.05), "aside_m": np.zeros(n * m),
        }
    )  # fmt: skip


def trips_of(passes: pd.DataFrame, *, cars: int = 10**6, **columns: Any) -> pd.DataFrame:
    """A trip is a car's day: trip numbers modulo `cars` are the car."""
    keys = np.unique(passes["trip_key"])
    return TRIPS.build(
        {
            "trip_key": keys,
            "device": columns.get("device", [f"phone {k % cars}" for k in keys]),
            "dated": np.full(len(keys), columns.get("dated", True)),
            "synthetic": np.zeros(len(keys), bool),
        }
    )


def jolts(trip: Any, east_m: Any, north_m: float = 0.0, heading: float = 90.0) -> pd.DataFrame:
    n = len(np.atleast_1d(trip))
    lat, lon = at(np.broadcast_to(east_m, n), north_m)
    values: dict[str, Any] = {"trip_key": trip, "lat_deg": lat, "lon_deg": lon,
                              "heading_deg": heading, "weight": 1.0, "score": 9.0}  # fmt: skip
    return BUMPS.build({c: np.broadcast_to(values.get(c, 0), n) for c in BUMPS.names})


def table_of(
    passes: pd.DataFrame, *, felt: pd.DataFrame | None = None, places: pd.DataFrame = NOWHERE,
    **trips: Any,
) -> pd.DataFrame:  # fmt: skip
    around = Surroundings(BUMPS.empty() if felt is None else felt, places)
    return coverage(visits(passes, trips_of(passes, **trips)), around)


# ------------------------------------------------------------------------------- states


@pytest.mark.parametrize(
    ("cars", "felt", "state"),
    [(1, 0, "driven"), (5, 0, "driven"), (6, 0, "smooth"), (30, 0, "smooth"), (30, 4, "smooth"),
     (30, 8, "driven"), (6, 1, "driven")],
)  # fmt: skip
def test_smooth_is_what_enough_cars_did_not_feel(cars: int, felt: int, state: str) -> None:
    """Six cars that feel nothing leave at most 0.3; a few that felt something need many more."""
    rows = table_of(driven(5.0, cars=cars), felt=jolts(np.arange(felt), 5.0) if felt else None)
    assert tuple(rows.columns) == COLUMNS
    (row,) = rows.to_dict("records")
    assert (row["state"], row["vehicle_days"], row["felt"]) == (state, cars, felt)
    assert (row["felt_share_hi"] <= 0.3) == (state == "smooth")
    assert row["last_day"] == "2026-03-03"


def test_the_upper_bound_holds_what_could_be_missed() -> None:
    """Of 2,000 streets whose cars feel a defect as often as the bound says, few look like this."""
    rng = np.random.default_rng(4)
    (row,) = table_of(driven(5.0, cars=10)).to_dict("records")
    looks_smooth = (rng.random((2000, 10)) < row["felt_share_hi"]).sum(axis=1) == 0
    assert looks_smooth.mean() < 0.2
    assert row["felt_share_hi"] < 0.2


def test_rough_and_places_come_before_smooth() -> None:
    """Shaking makes a stretch rough, a place to mend is told first; each in its direction only."""
    both = pd.concat([driven(5.0, rough=1.2),
                      driven(5.0, heading=270.0, first=100, rough=0.2)])  # fmt: skip
    lat, lon = at(5.0)
    hole = pd.DataFrame({"lat_deg": lat, "lon_deg": lon, "heading_deg": [265.0]})
    rows = table_of(both, places=hole).set_index("heading_deg")
    assert rows["state"].to_dict() == {90.0: "rough", 270.0: "places"}
    assert rows["places"].to_dict() == {90.0: 0, 270.0: 1}


def test_one_car_has_one_vote_a_day() -> None:
    """A car that goes round all day long is one vehicle-day, and never makes a street smooth."""
    passes = driven(5.0, cars=30)
    (row,) = table_of(passes, device=["phone"] * 30).to_dict("records")
    assert (row["passes"], row["devices"], row["vehicle_days"]) == (30, 1, 1)
    assert row["state"] == "driven"
    (row,) = table_of(driven(5.0, cars=2, days=4), cars=2).to_dict("records")
    assert (row["devices"], row["vehicle_days"]) == (2, 8)


def test_an_evening_is_one_day() -> None:
    """A car that comes by on both sides of midnight UTC, at two in the afternoon, votes once."""
    before, after = driven(5.0, cars=1), driven(5.0, cars=1, first=1)
    passes = pd.concat([before, after.assign(t_utc_ns=after["t_utc_ns"] + DAY_NS // 8)])
    assert passes["t_utc_ns"].floordiv(DAY_NS).nunique() == 2
    (row,) = table_of(passes, device=["phone"] * 2).to_dict("records")
    assert (row["vehicle_days"], row["last_day"]) == (1, "2026-03-03")


def test_trips_without_a_name_or_a_day_still_drove() -> None:
    """They count as passes; they are no devices, and say no day."""
    (row,) = table_of(driven(5.0), device=[None] * 8, dated=False).to_dict("records")
    assert (row["passes"], row["devices"], row["vehicle_days"]) == (8, 0, 8)
    assert row["last_day"] is None or row["last_day"] != row["last_day"]


def test_phones_that_cannot_feel_do_not_cover() -> None:
    """A pass of weight 0 says nothing about the road."""
    assert len(table_of(driven(5.0).assign(weight=0.0))) == 0


def test_order_of_passes_does_not_matter() -> None:
    """Shuffled passes and jolts give the same table, to the byte."""
    passes = pd.concat([driven(np.arange(0, 300, 5.0)),
                        driven(np.arange(0, 300, 5.0), heading=270.0, first=50)])  # fmt: skip
    felt = jolts(np.arange(8), np.linspace(20, 250, 8))
    mixed = passes.sample(frac=1, random_state=np.random.default_rng(1))
    turned = felt.sample(frac=1, random_state=np.random.default_rng(2))
    pd.testing.assert_frame_equal(
        table_of(passes, felt=felt), table_of(mixed, felt=turned), check_exact=True
    )


# ------------------------------------------------------------------------------- privacy


def test_nothing_is_told_of_fewer_than_k_devices() -> None:
    """Rows of four cars vanish at k = 5, however often these four drove."""
    few, many = driven(5.0, cars=4, days=9), driven(205.0, cars=5, first=1000)
    passes = pd.concat([few, many])
    rows = table_of(passes, device=[f"p{k % 4}" for k in range(36)] + [f"q{k}" for k in range(5)])
    assert sorted(rows["devices"]) == [4, 5]
    assert shown(rows, k=5)["devices"].tolist() == [5]
    assert len(shown(rows, k=4)) == 2


def test_days_are_days() -> None:
    """No column holds a time of day."""
    rows = table_of(driven(5.0))
    assert all(len(str(v)) == 10 for v in rows["last_day"])
    assert not [c for c in rows.columns if c.endswith(("_ns", "_s"))]


# ------------------------------------------------------------------------------- streets


def line(*east_north: tuple[float, float]) -> Any:
    lat, lon = at(*np.array(east_north, float).T)
    return shapely.LineString(np.column_stack((lon, lat)))


def test_pieces_are_short_and_add_up() -> None:
    """Every stretch is at most 20 m, corners are kept, and nothing is lost."""
    pieces = pieces_of([line((0, 0), (110, 0), (110, 55)), shapely.Point(0, 0), None],
                       ["Main St", None, None])  # fmt: skip
    assert pieces.length_m.max() <= 20.0
    assert pieces.length_m.sum() == pytest.approx(165, abs=0.5)
    assert set(pieces.street) == {"Main St"}
    assert np.round(pieces.course_deg).tolist() == [90.0] * 6 + [0.0] * 3


def test_what_nobody_drove_is_unknown_not_smooth() -> None:
    """Of a street of 400 m, of which 200 were driven, the rest is unknown; one across it too."""
    pieces = pieces_of([line((0, 0), (400, 0)), line((100, 30), (100, 200))], ["A", "B"])
    rows = along(pieces, table_of(driven(np.arange(0, 200, 4.0))))
    assert rows["length_m"].sum() == pytest.approx(570, abs=2)
    length = rows.groupby(["street", "state"])["length_m"].sum()
    assert length["A", "smooth"] == pytest.approx(200, abs=25)
    assert length["A", "unknown"] == pytest.approx(200, abs=25)
    assert length["B", "unknown"] == pytest.approx(170, abs=2)
    assert rows.loc[rows["state"] == "unknown", "passes"].sum() == 0
    assert shapely.is_valid(shapely.from_wkt(rows["wkt"].to_numpy(object))).all()


def test_nobody_drove_anywhere() -> None:
    """Without a single pass all streets are unknown; without streets there is no row."""
    empty = table_of(PASSES.empty())
    assert tuple(empty.columns) == COLUMNS
    rows = along(pieces_of([line((0, 0), (90, 0))], ["A"]), empty)
    assert rows["state"].tolist() == ["unknown"] * 5
    assert len(along(pieces_of([], []), empty)) == 0


# ------------------------------------------------------------------------------- survey

GRID = [line((0, 0), (200, 0)), line((200, 0), (400, 0)), line((200, 0), (200, 150)),
        line((800, 0), (900, 0))]  # fmt: skip


def next_runs(passes: pd.DataFrame, **options: Any) -> pd.DataFrame:
    pieces = pieces_of(GRID, ["A", "A", "B", "C"])
    return survey(pieces, along(pieces, table_of(passes)), today=TODAY, limit=9, **options)


def test_unknown_streets_make_runs_that_can_be_driven() -> None:
    """The straight street is one run over its junction; the others follow by length."""
    runs = next_runs(PASSES.empty())
    assert runs["streets"].tolist() == ["A", "B", "C"]
    assert runs["length_m"].round().tolist() == pytest.approx([400, 150, 100], abs=2)
    assert runs["need_m"].tolist() == pytest.approx(runs["unknown_m"].tolist())
    xy = shapely.get_coordinates(shapely.from_wkt(runs["wkt"].iloc[0]))
    assert len(xy) == 22
    assert (np.diff(xy[:, 0]) > 0).all() or (np.diff(xy[:, 0]) < 0).all()


def test_stale_streets_come_after_unknown_ones_of_their_length() -> None:
    """What was driven lately needs nothing, what was driven long ago needs part of its length."""
    east = np.arange(200, 405, 4.0)
    fresh = next_runs(driven(east))
    # Straight on is fresh, so the run goes round the corner.
    assert fresh["streets"].tolist() == ["A, B", "C"]
    stale = next_runs(driven(east, last_day=DAY - 720))
    (row,) = stale[stale["streets"] == "A"].to_dict("records")
    assert row["length_m"] == pytest.approx(400, abs=2)
    assert 195 < row["unknown_m"] < row["need_m"] - 100 < 300
    assert row["oldest_day"] == "2024-03-13"


def test_driving_a_street_never_makes_it_more_urgent() -> None:
    """More phones on a street lower its place in the survey, or leave it."""
    before = next_runs(PASSES.empty()).set_index("streets")["need_m"]
    after = next_runs(driven(np.arange(800, 900, 4.0))).set_index("streets")["need_m"]
    assert "C" not in after or after["C"] < before["C"]


# ------------------------------------------------------------------------------- districts

EAST, WEST = (0.0, 1000.0), (-1000.0, 0.0)


def box(west_m: float, east_m: float) -> Any:
    lat, lon = at([west_m, east_m], [-500.0, 500.0])
    return shapely.box(lon[0], lat[0], lon[1], lat[1])


SHAPES = [box(*WEST), box(*EAST)]


def town(*, west_cars: int, east_cars: int, k: int = 5, seed: int = 3) -> pd.DataFrame:
    """Two districts of like streets and holes.

    Each car is jolted by each hole half of the time, and a hole that three cars felt is reported.
    """
    rng = np.random.default_rng(seed)
    parts, holes = [], []
    for cars, side, first in ((west_cars, -1.0, 0), (east_cars, 1.0, 10_000)):
        parts.append(driven(side * np.arange(20, 900, 4.0), cars=cars, first=first))
        felt = [(rng.random(cars) < 0.5).sum() >= 3 for _ in range(9)]
        holes += (side * np.arange(50, 900, 100.0)[felt]).tolist()
    passes = pd.concat(parts)
    lat, lon = at(holes) if holes else (np.empty(0), np.empty(0))
    rows = visits(passes, trips_of(passes))
    table = shown(coverage(rows, Surroundings(BUMPS.empty(), NOWHERE)), k=k)
    return districts(
        table, votes(rows, SHAPES), pd.DataFrame({"lat_deg": lat, "lon_deg": lon}),
        names=["West", "East"], shapes=SHAPES, today=TODAY, k=k, has_streets=False,
    ).set_index("district")  # fmt: skip


def test_districts_show_passes_reports_and_rates() -> None:
    """Like districts have like figures, and a ratio of 1 within its interval."""
    rows = town(west_cars=20, east_cars=20)
    assert rows.index.tolist() == ["West", "East", "(all shown)"]
    west = rows.loc["West"]
    assert (west["devices"], west["vehicle_days"], west["reports"]) == (20, 20, 9)
    assert west["seen_km"] == pytest.approx(0.75, abs=0.15)
    assert west["median_days_since"] == 10
    assert west["disparity_lo"] < 1 < west["disparity_hi"]
    assert rows.loc["(all shown)", "disparity"] == 1.0


def test_a_district_of_few_phones_shows_nothing() -> None:
    """Below k devices a district has no figures, and cannot be told by subtraction."""
    rows = town(west_cars=4, east_cars=20)
    assert rows.loc["West"].drop("street_km").isna().all()
    assert rows.loc["(all shown)", "passes"] == rows.loc["East", "passes"]


def test_no_district_gains_because_more_phones_drove_there() -> None:
    """Ten times the phones of one rate: the rate per pass falls, that per seen street stays.

    So whoever ranks districts by counts follows phones, and whoever ranks by `disparity` does not.
    """
    for seed in range(5):
        before = town(west_cars=20, east_cars=20, seed=seed)
        after = town(west_cars=200, east_cars=20, seed=seed)
        gain = after.loc["West", "disparity"] - before.loc["West", "disparity"]
        assert gain <= 0.05
        assert after.loc["West", "disparity_lo"] < 1 < after.loc["West", "disparity_hi"]
        naive = "reports_per_1000_passes"
        assert after.loc["West", naive] < 0.2 * before.loc["West", naive]


def test_states_are_in_order() -> None:
    """A stretch has the last of its directions' states: what is to be mended is never hidden."""
    assert STATES == ("unknown", "driven", "smooth", "rough", "places")
    both = pd.concat([driven(np.arange(0, 100, 4.0), rough=1.2),
                      driven(np.arange(0, 100, 4.0), heading=270.0, first=100)])  # fmt: skip
    rows = along(pieces_of([line((0, 0), (80, 0))], ["A"]), table_of(both))
    assert set(rows["state"]) == {"rough"}
    assert (rows["passes"] == 16).all()
