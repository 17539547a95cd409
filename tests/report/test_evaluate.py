"""The scoreboard: what a silent, a frantic and a perfect detector score, and what truth may say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from streetbump.config import shipped_settings
from streetbump.detect.classics import CLASSICS, GRID_G
from streetbump.detect.classify import load_model
from streetbump.detect.locate import Track
from streetbump.errors import ConfigError, InputError, MissingExtra
from streetbump.geo import from_local_m
from streetbump.model import BUMPS, CLUSTERS, P_COLUMNS, JoltClass
from streetbump.report import events, series, sessions, sites, stated, town
from streetbump.report.hearing import Heard, bare_trip, hear
from streetbump.report.scoreboard import COLUMNS, OURS, Figure, frame_of, people_text
from streetbump.report.truth import (
    Description,
    parse_bare,
    parse_description,
    parse_sites,
    parse_truth,
    trip_ids,
)

NOBODY = Description()
LENGTH_S = 1000.0
EVENTS = {f"t{k}": np.arange(20.0, 980.0, 48.0) + 3 * k for k in range(6)}


def bumps_at(t_s: np.ndarray) -> pd.DataFrame:
    """Sure jolts at some times, all likeliest potholes."""
    n = len(t_s)
    zero = {c.name: np.zeros(n) for c in BUMPS.columns}
    p = {name: np.full(n, 0.93 if name == "p_pothole" else 0.01) for name in P_COLUMNS}
    sure = {"score": np.full(n, 9.0), "alone": np.ones(n, np.bool_)}
    return BUMPS.build({**zero, **p, **sure, "t_s": t_s})


def straight_track(length_m: float = 10_000.0, north_m: float = 0.0) -> Track:
    """A drive due east at 10 m/s with one fix a second."""
    t = np.arange(0.0, length_m / 10 + 1)
    lat, lon = from_local_m(10 * t, np.full(len(t), north_m), lat0_deg=12.0, lon0_deg=-150.0)
    n = len(t)
    return Track(
        (t * 1e9).astype(np.int64), lat, lon, np.full(n, 4.0), np.full(n, 10.0),
        np.ones(n - 1, np.bool_), np.full(n - 1, 90.0), np.full(n - 1, 10.0), 0.0,
    )  # fmt: skip


def heard(trip_id: str, ours: np.ndarray, peer: np.ndarray | None = None) -> Heard:
    """A trip in which ours heard jolts at some times, and a peer too, at every threshold."""
    peer = ours if peer is None else peer
    return Heard(
        trip_id, straight_track(), 0, bumps_at(ours), {"PEER": (peer,) * len(GRID_G)},
        {"PEER": peer}, np.array([[0.0, 400.0], [420.0, LENGTH_S]]), 10.0, 0.5, 0.6, 0.4, 0.2,
    )  # fmt: skip


def truth_of(times: dict[str, np.ndarray], label: str = "pothole") -> pd.DataFrame:
    rows = [f"{trip},event,{label},{t},-3,1.5" for trip, ts in times.items() for t in ts]
    head = "trip_id,kind,label,t_start_s,tol_lo_s,tol_hi_s"
    return parse_truth("\n".join([head, *rows]), where="truth.csv")


def scored(ours: dict[str, np.ndarray], truth: pd.DataFrame) -> pd.DataFrame:
    drives = events.drives_of([heard(k, t) for k, t in ours.items()], truth, unlisted="skip")
    found = events.score_events(drives, report_score=4.0, description=NOBODY)
    return frame_of(found, dataset="made up")


def value(table: pd.DataFrame, method: str, measure: str, tuning: str = "not tuned") -> pd.Series:
    keep = (table["method"] == method) & (table["measure"] == measure) & (table["tuning"] == tuning)
    (row,) = table[keep & ~table["part"].str.contains("class")].to_dict("records")
    return pd.Series(row)


# ------------------------------------------------------------------------------- events


def test_a_silent_detector_scores_nothing() -> None:
    """No detection: recall and F1 are 0, precision is unknown."""
    table = scored({k: np.empty(0) for k in EVENTS}, truth_of(EVENTS))
    assert value(table, OURS, "F1")[["value", "lo", "hi"]].tolist() == [0, 0, 0]
    assert value(table, OURS, "recall")["value"] == 0
    assert np.isnan(value(table, OURS, "precision")["value"])
    assert value(table, "PEER", "F1", events.ORACLE)["value"] == 0


def test_a_perfect_detector_scores_one() -> None:
    """Every event found, nothing else: 1, with an interval of no width, and no false alarm."""
    table = scored({k: t - 0.4 for k, t in EVENTS.items()}, truth_of(EVENTS))
    for measure, wanted in (("F1", 1), ("precision", 1), ("recall", 1), ("false per km", 0)):
        assert value(table, OURS, measure)[["value", "lo", "hi"]].tolist() == [wanted] * 3
    assert value(table, "PEER", "F1", events.LEAVE_ONE_OUT)["value"] == 1
    assert value(table, OURS, "F1")["n"] == sum(map(len, EVENTS.values()))
    assert value(table, OURS, "F1")["n_units"] == len(EVENTS)


def test_a_frantic_detector_scores_what_chance_does() -> None:
    """Detections at random moments are worth what the floor says, however many there are."""
    rng = np.random.default_rng(4)
    many = {k: np.sort(rng.uniform(0, 400, 60)) for k in EVENTS}
    inside = {k: t[t < 400] for k, t in EVENTS.items()}
    drives = [
        events.Drive(h, rows)
        for h, rows in (
            (_within(heard(k, many[k]), 400.0), truth_of({k: inside[k]})) for k in EVENTS
        )
    ]
    table = frame_of(
        events.score_events(drives, report_score=4.0, description=NOBODY), dataset="made up"
    )
    f1, floor = value(table, OURS, "F1"), value(table, OURS, "F1 by chance")
    assert f1["lo"] - 0.02 <= floor["value"] <= f1["hi"] + 0.02
    assert value(table, OURS, "recall")["value"] > 0.3
    chance = value(table, events.CHANCE, "F1", "")
    assert chance["lo"] <= f1["value"] <= chance["hi"]


def _within(trip: Heard, end_s: float) -> Heard:
    from dataclasses import replace

    return replace(trip, driven=np.array([[0.0, end_s]]))


def test_tuning_never_sees_the_trip_that_is_scored() -> None:
    """A peer whose best threshold differs on one trip pays for it when that trip is left out."""
    good, silent = EVENTS["t0"], np.empty(0)
    trips = []
    for k, name in enumerate(EVENTS):
        lower = EVENTS[name] if k else silent
        worlds = (lower,) * 40 + (silent if k else good,) * (len(GRID_G) - 40)
        trip = heard(name, silent)
        object.__setattr__(trip, "peers", {"PEER": worlds})
        trips.append(trip)
    drives = events.drives_of(trips, truth_of(EVENTS), unlisted="skip")
    table = frame_of(
        events.score_events(drives, report_score=4.0, description=NOBODY), dataset="made up"
    )
    recall = value(table, "PEER", "recall", events.LEAVE_ONE_OUT)["value"]
    assert recall == pytest.approx(5 / 6, abs=1e-3)


def test_a_classic_without_quoted_thresholds_is_only_tuned() -> None:
    """Nothing is made up where a source prints no thresholds: no row as quoted, the others stay."""
    trips = [heard(name, t) for name, t in EVENTS.items()]
    for trip in trips:
        object.__setattr__(trip, "quoted", {})
    drives = events.drives_of(trips, truth_of(EVENTS), unlisted="skip")
    found = events.score_events(drives, report_score=4.0, description=NOBODY)
    tunings = {f.tuning for f in found if f.method == "PEER"}
    assert tunings == {events.LEAVE_ONE_OUT, events.ORACLE}


def test_every_classic_hears_every_trip() -> None:
    """At each setting of its grid; as quoted only where it is; without speed only if it may."""
    z = np.random.default_rng(6).normal(0, 0.05, 3000) + 9.8
    z[1500:1504] += (-9.0, 9.0, -9.0, 9.0)
    trip = bare_trip(z[:, None], rate_hz=50.0)
    got = hear(trip, trip_id="t", settings=shipped_settings().detect, model=load_model())
    assert {k: len(v) for k, v in got.peers.items()} == {c.name: len(c.grid) for c in CLASSICS}
    assert set(got.quoted) == {c.name for c in CLASSICS if c.quoted}
    for classic in CLASSICS:
        close = [t for t in got.peers[classic.name] if len(t) == 1 and abs(t[0] - 30) < 0.5]
        assert bool(close) == classic.vertical_only


def test_events_without_a_time_are_matched_by_place() -> None:
    """A detection 10 m from the event's place counts, one 40 m away does not."""
    lat, lon = from_local_m(np.array([1000.0, 2000.0]), np.zeros(2), lat0_deg=12, lon0_deg=-150)
    rows = [f"a,event,pothole,{x:.7f},{y:.7f},25" for x, y in zip(lat, lon, strict=True)]
    truth = parse_truth("\n".join(["trip_id,kind,label,lat,lon,tol_m", *rows]), where="t")
    table = scored({"a": np.array([101.0, 204.0])}, truth)
    assert value(table, OURS, "recall")["value"] == 0.5
    assert value(table, OURS, "off by, median")["value"] == pytest.approx(10, abs=0.1)


def test_kinds_of_events_are_counted_apart() -> None:
    """Recall per class, and what those that were found were called."""
    both = pd.concat(
        [truth_of({"t0": EVENTS["t0"][:5]}), truth_of({"t0": EVENTS["t0"][5:8]}, "speed_bump")],
        ignore_index=True,
    )
    table = scored({"t0": EVENTS["t0"][:6]}, both)
    part = table[table["part"] == events.BY_CLASS].set_index(["at", "measure"])["value"]
    assert part["pothole", "recall"] == 1
    assert part["hump", "recall"] == pytest.approx(1 / 3, abs=1e-3)
    assert part["hump", "called pothole"] == 1


# ------------------------------------------------------------------------------- clips, sessions


def test_clips_are_told_apart_from_road() -> None:
    """A shot in the middle of silence is an event to a tuned threshold; groups share a fold."""
    rng = np.random.default_rng(5)
    windows = rng.normal(0, 0.05, (40, 60))
    windows[:20, 30] += 9.0
    fired = series.fires(windows, CLASSICS[0])
    assert (fired[:, :20].any(axis=0)).all()
    k = int(np.argmin(np.abs(GRID_G - 0.5)))
    assert fired[k].tolist() == [True] * 20 + [False] * 20
    group = np.repeat(np.arange(10), 4)
    fold = series.folds_of(group, folds=3)
    assert all(len(set(fold[group == g])) == 1 for g in range(10))
    assert set(fold) == {0, 1, 2}


def test_clips_have_the_classics_that_need_no_more_than_a_clip() -> None:
    """A clip has no speed and one axis: whoever needs more is not in its table."""
    rng = np.random.default_rng(7)
    labels = (JoltClass.POTHOLE, JoltClass.SMOOTH)
    windows = rng.normal(0, 1, (12, 60))
    clips = [series.Clip(f"c{k}", w, 50.0, labels[k % 2]) for k, w in enumerate(windows)]
    found = series.score_series(clips, model=load_model(), unsure_below=0.4, seen=False, note="")
    methods = {f.method for f in found if f.part == series.EVENT_PART}
    assert methods - {OURS, series.ALWAYS} == {c.name for c in CLASSICS if c.vertical_only}


def test_sessions_are_ranked() -> None:
    """Rougher sessions with worse labels: AUC 1; a session where nothing was heard is named."""
    head = "trip_id,kind,label,label_raw"
    rows = ["a,session,road_good,good", "b,session,road_good,good", "c,session,road_bad,bad",
            "d,session,road_bad,bad"]  # fmt: skip
    truth = parse_truth("\n".join([head, *rows]), where="t")
    trips = [heard(k, np.empty(0)) for k in "abcd"]
    for trip, level in zip(trips, (0.2, 0.3, 0.9, np.nan), strict=True):
        object.__setattr__(trip, "roughness_ms2", level)
    found = [f for f in sessions.score_sessions(trips, truth, description=NOBODY)
             if f.method == OURS]  # fmt: skip
    assert [(f.value, f.n) for f in found] == [(1.0, 3)]
    assert "nothing to hear in them: d" in found[0].note


def test_numeric_sessions_need_a_direction() -> None:
    """The sign of a correlation is said to be open unless the description closes it."""
    rows = [f"{k},session,road_score,{n}" for n, k in enumerate("abcd")]
    truth = parse_truth("\n".join(["trip_id,kind,label,label_raw", *rows]), where="t")
    trips = [heard(k, np.empty(0)) for k in "abcd"]
    for k, trip in enumerate(trips):
        object.__setattr__(trip, "roughness_ms2", 1.0 - 0.1 * k)
    (open_, *_) = sessions.score_sessions(trips, truth, description=NOBODY)
    (closed, *_) = sessions.score_sessions(
        trips, truth, description=Description(higher_is_better=True)
    )
    assert (open_.value, open_.note) == (-1.0, sessions.NO_DIRECTION)
    assert (closed.value, closed.note) == (1.0, "")


# ------------------------------------------------------------------------------- places

POTHOLES_M = np.array([500.0, 1500.0, 2500.0, 3500.0])
HUMP_M = 4500.0


def town_truth() -> pd.DataFrame:
    lat, lon = from_local_m(
        np.append(POTHOLES_M, HUMP_M), np.zeros(5), lat0_deg=12.0, lon0_deg=-150.0
    )
    kinds = ["pothole"] * 4 + ["hump"]
    rows = [
        f",site,{k},{a:.7f},{o:.7f},15,s{i}"
        for i, (k, a, o) in enumerate(zip(kinds, lat, lon, strict=True))
    ]
    return parse_truth("\n".join(["trip_id,kind,label,lat,lon,tol_m,note", *rows]), where="t")


NO_JOLTS = pd.DataFrame({"cluster_id": [], "trip_key": [], "t_s": []})


def reports_at(east_m: list[float], err_m: float = 2.0) -> pd.DataFrame:
    lat, lon = from_local_m(np.array(east_m), np.zeros(len(east_m)), lat0_deg=12.0, lon0_deg=-150.0)
    columns = {"lat_deg": lat, "lon_deg": lon, "pos_err_m": err_m, "hit_rate_lo": 0.4,
               "hit_rate_hi": 0.9}  # fmt: skip
    return pd.DataFrame(columns, columns=list(town.REPORT_COLUMNS)).astype("float64")


def places(
    reports: pd.DataFrame, more: pd.DataFrame | None = None, n_trips: int = 4
) -> pd.DataFrame:
    at_s = np.array([50.0, 150.0, 250.0, 350.0])
    trips = [heard(f"t{k}", np.empty(0), at_s) for k in range(n_trips)]
    shot = town.Snapshot(n_trips, CLUSTERS.empty(), NO_JOLTS, reports)
    return frame_of(
        sites.score_sites([shot], trips, town_truth(), more, description=NOBODY), dataset="town"
    )


def place_value(table: pd.DataFrame, method: str, measure: str) -> float:
    keep = (table["part"] == sites.PART) & (table["method"] == method)
    return float(table.loc[keep & (table["measure"] == measure), "value"].iloc[0])


def stated_of(table: pd.DataFrame, at: str = "") -> pd.Series:
    rows = table[(table["part"] == stated.STATED) & (table["at"] == at)]
    return rows.set_index("measure")["value"]


@pytest.mark.parametrize(
    ("at", "precision", "recall", "obstacles"),
    [
        (list(POTHOLES_M + 3), 1.0, 1.0, 0.0),
        ([], np.nan, 0.0, np.nan),
        (
            [503.0, HUMP_M + 2, 7000.0, 505.0],
            0.25,
            0.25,
            0.25,
        ),  # the second at 500 m is one too many
    ],
    ids=["perfect", "silent", "mixed"],
)
def test_places_are_matched_one_to_one(
    at: list[float], precision: float, recall: float, obstacles: float
) -> None:
    """Reports within 15 m count once; what lies at a hump is named as such."""
    table = places(reports_at(at))
    got = [place_value(table, sites.FLAGGED, m) for m in ("precision", "recall")]
    assert got == pytest.approx([precision, recall], nan_ok=True)
    share = place_value(table, sites.FLAGGED, "reports at obstacles")
    assert share == pytest.approx(obstacles, nan_ok=True)


def test_a_street_that_nobody_drove_is_unknown() -> None:
    """A pothole off every track is in no denominator."""
    lat, lon = from_local_m(np.array([500.0]), np.array([900.0]), lat0_deg=12.0, lon0_deg=-150.0)
    far = town_truth().iloc[:1].assign(lat=lat, lon=lon, note="far")
    truth = pd.concat([town_truth(), far], ignore_index=True)
    trips = [heard("t0", np.empty(0))]
    shot = town.Snapshot(1, CLUSTERS.empty(), NO_JOLTS, reports_at(list(POTHOLES_M)))
    table = frame_of(
        sites.score_sites([shot], trips, truth, None, description=NOBODY), dataset="town"
    )
    assert place_value(table, sites.FLAGGED, "recall") == 1
    bins = table[table["part"] == sites.BY_PASSES]
    assert set(bins["at"]) == {"1"}


def test_stated_intervals_are_checked() -> None:
    """A place 3 m off outside its 50 % radius of 2.4 m and within its 90 % radius of 4.3 m.

    And hit rates, of which two in four lie in their interval.
    """
    text = "site_id,label,lat_deg,lon_deg,passes,felt\n" + "\n".join(
        f"s{k},pothole,{r.lat},{r.lon},10,{f}"
        for k, (r, f) in enumerate(zip(town_truth().itertuples(), (5, 9, 10, 2, 0), strict=True))
    )
    table = places(reports_at(list(POTHOLES_M + 3)), parse_sites(text, where="s"))
    held = stated_of(table)
    assert held["50 % radius holds the site"] == 0
    assert held["90 % radius holds the site"] == 1
    assert held["hit-rate interval holds it"] == 0.5
    assert stated_of(table, "10+ passes").empty
    off = places(reports_at(list(POTHOLES_M + 6)))
    assert stated_of(off)["90 % radius holds the site"] == 0


def test_what_many_drove_past_has_rows_of_its_own() -> None:
    """Of potholes that ten trips passed those that three felt count; severity ranks depth."""
    text = "site_id,label,lat_deg,lon_deg,passes,felt,height_m\n" + "\n".join(
        f"s{k},{r.label},{r.lat},{r.lon},10,{felt},{-depth}"
        for k, (r, felt, depth) in enumerate(
            zip(
                town_truth().itertuples(),
                (5, 9, 10, 2, 0),
                (0.02, 0.03, 0.05, 0.04, 0),
                strict=True,
            )
        )
    )
    reports = reports_at([*POTHOLES_M[:3] + 3, HUMP_M]).assign(severity=[2.0, 3.0, 5.0, 1.0])
    table = places(reports, parse_sites(text, where="s"), n_trips=10)
    driven = table[(table["part"] == sites.WELL_DRIVEN) & (table["method"] == sites.FLAGGED)]
    value = driven.set_index("measure")["value"]
    assert value["recall"] == 1  # two trips felt the fourth pothole
    assert value["precision"] == 0.75
    assert place_value(table, sites.FLAGGED, "recall") == 0.75
    assert stated_of(table, "10+ passes")["severity with depth, Spearman"] == 1


def test_a_cluster_is_what_its_jolts_stem_from() -> None:
    """A jolt in time with a pothole's event is the pothole's, though fixes lay it 30 m off.

    One that no event explains is none's.
    """
    events = town_truth().assign(kind="event", trip_id="t0", t_start_s=50.0, t_end_s=50.0)
    truth = pd.concat([town_truth(), events.iloc[:1]], ignore_index=True)
    h = heard("t0", np.array([50.2, 70.0]))
    where = reports_at([530.0, 800.0])
    values = {c.name: [0.5, 0.5] for c in CLUSTERS.columns if c.dtype == "float64"}
    values |= {c.name: [1, 1] for c in CLUSTERS.columns if c.dtype == "int64"}
    values |= {c.name: ["", ""] for c in CLUSTERS.columns if c.name not in values}
    values |= {"cluster_id": ["a", "b"], "p_pothole": [1.0, 0.0], "lat_deg": where["lat_deg"],
               "lon_deg": where["lon_deg"], "obstacle_id": [None, None]}  # fmt: skip
    jolts = h.bumps[["trip_key", "t_s"]].assign(cluster_id=["a", "b"])
    shot = town.Snapshot(1, CLUSTERS.build(values), jolts, reports_at([]))
    figures = sites.score_sites([shot], [h], truth, None, description=NOBODY)
    held = stated_of(frame_of(figures, dataset="town"))
    assert held["ECE of p_pothole, nearest thing"] == 0.5
    assert held["ECE of p_pothole, what its jolts stem from"] == 0


def test_one_report_may_serve_two_potholes() -> None:
    """A report between two potholes is matched to one of them; whoever goes there sees both."""
    near = town_truth().iloc[:2].copy()
    lat, lon = from_local_m(np.array([500.0, 508.0]), np.zeros(2), lat0_deg=12.0, lon0_deg=-150.0)
    trips = [heard("t0", np.empty(0))]
    shot = town.Snapshot(1, CLUSTERS.empty(), NO_JOLTS, reports_at([503.0]))
    figures = sites.score_sites(
        [shot], trips, near.assign(lat=lat, lon=lon), None, description=NOBODY
    )
    table = frame_of(figures, dataset="town")
    assert place_value(table, sites.FLAGGED, "recall") == 0.5
    assert place_value(table, sites.FLAGGED, "a report is near") == 1


def test_peers_are_grouped_and_tuned_on_the_other_half() -> None:
    """A peer that hears exactly the potholes reports them all."""
    table = places(reports_at([]))
    assert place_value(table, "PEER", "recall") == 1
    assert place_value(table, "PEER", "precision") == 1
    assert set(table.loc[table["method"] == "PEER", "tuning"]) == {sites.HALVES}


# ------------------------------------------------------------------------------- truth


def test_unknown_keys_are_refused_with_the_path() -> None:
    """A slip in dataset.toml is named with the file."""
    for text, said in (
        ("ratehz = 50", "unknown field `ratehz`"),
        ("rate_hz = -1", "rate_hz"),
        ('axes = ["x", "y"]', "one column"),
        ('trip_id = "("', "not a regular expression"),
        ('trip_id = "r."', "with one group"),
        ('[labels]\nhole = "hole"', "hole"),
        ('[labels]\nhole = "unsure"', "unsure is no class"),
        ("name = ", "not valid TOML"),
    ):
        with pytest.raises(ConfigError, match=r"dir/dataset\.toml") as caught:
            parse_description(text, where="dir/dataset.toml")
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind,label\n", "no column trip_id"),
        ("trip_id,kind,label\na,evnt,x\n", "line 2: kind is none of"),
        ("trip_id,kind,label,t_start_s\na,event,x,1\n,event,x,1\n", "line 3: no trip_id"),
        ("trip_id,kind,label\na,event,x\n", "line 2: neither time nor place"),
        ("trip_id,kind,label\n,site,x\n", "line 2: a site without a place"),
        ("trip_id,kind,label,t_start_s\na,event,x,soon\n", "line 2: t_start_s is not a number"),
        ("", "not a table"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(text: str, said: str) -> None:
    """File, line and reason."""
    with pytest.raises(InputError, match=f"d/truth.csv: {said}"):
        parse_truth(text, where="d/truth.csv")


def test_files_find_their_id() -> None:
    """By path, by name, by the longest beginning of the name, or by a rule."""
    ids = ["r1", "r1_b", "C1/s1", "x"]
    files = ["a/r1_sensors.csv", "r1_b_sensors.csv", "C1/s1.csv", "q/x.csv", "r2_sensors.csv"]
    wanted = {"a/r1_sensors.csv": "r1", "r1_b_sensors.csv": "r1_b", "C1/s1.csv": "C1/s1",
              "q/x.csv": "x"}  # fmt: skip
    assert trip_ids(files, ids, rule="auto") == wanted
    assert trip_ids(["k/a.csv"], ["k"], rule="folder") == {"k/a.csv": "k"}


def test_bare_series() -> None:
    """One column, or the named axes; anything else is refused."""
    assert parse_bare("9.8\n9.9\n", axes=()).shape == (2, 1)
    assert parse_bare("n,x,y,z\n0,1,2,3\n1,1,2,3\n", axes=("x", "y", "z")).shape == (2, 3)
    for text, axes in (("a,b\n1,2\n3,4\n", ()), ("x\n1\nboo\n", ()), ("x\n1\n2\n", ("z",))):
        with pytest.raises(InputError, match="not a bare series"):
            parse_bare(text, axes=axes)
    assert bare_trip(np.full((50, 3), 0.1), rate_hz=10.0).gravity.value == "removed"


def test_labels_have_classes() -> None:
    """Class names, kinds of obstacles, and what a description adds."""
    assert NOBODY.class_of("pothole") is JoltClass.POTHOLE
    assert NOBODY.class_of("rail") is JoltClass.JOINT
    assert NOBODY.class_of("elephant") is None
    assert (
        parse_description('[labels]\nelephant = "hump"', where="d").class_of("elephant") == "hump"
    )


# ------------------------------------------------------------------------------- printing


def test_people_see_no_figure_broken_in_two() -> None:
    """Every line of a table fits the terminal, every figure stands with its interval and n."""
    table = scored({k: t - 0.4 for k, t in EVENTS.items()}, truth_of(EVENTS))
    assert tuple(table.columns) == COLUMNS
    text = people_text(table, width=100)
    assert max(len(line) for line in text.splitlines() if "chance:" not in line) <= 100
    assert "1.00 [1.00, 1.00]" in text
    assert "made up: events" in text


def test_pictures_are_drawn_or_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With matplotlib every part becomes a PNG; without it the error says what to install."""
    pytest.importorskip("matplotlib")
    from streetbump.report import pictures

    table = pd.concat(
        [scored({k: t - 0.4 for k, t in EVENTS.items()}, truth_of(EVENTS)),
         places(reports_at(list(POTHOLES_M)))], ignore_index=True,
    )  # fmt: skip
    drawn = pictures.pictures(table)
    assert list(drawn) == ["1-made-up-events-f1", "2-town-places-by-passes"]
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match="streetbump\\[plot\\]"):
        pictures.check()


def test_a_figure_without_interval_is_printed_alone() -> None:
    """A floor has no interval of its own; an unknown figure is a dash."""
    rows = [
        Figure("p", "m", "t", "", "floor", "1", 0.25, np.nan, np.nan, 4, 2),
        Figure("p", "m", "t", "", "off", "m", np.nan, np.nan, np.nan, 0, 2),
    ]
    text = people_text(frame_of(rows, dataset="d"), width=80)
    assert "0.25 " in text
    assert "off (m)" in text
    assert "–" in text
