"""``streetbump evaluate`` as a user runs it: made-up drives, and real ones where they exist."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streetbump.detect.classics import CLASSICS
from streetbump.geo import from_local_m
from streetbump.report.scoreboard import COLUMNS

from .conftest import KEY, ROOT
from .test_cli import DATA, real, streetbump

PEERS = {c.name for c in CLASSICS}
HOLES_M = (900.0, 1300.0)
SPEED_MS, RATE_HZ, LENGTH_M = 12.5, 20.0, 2200.0
LATE_S = 0.85


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "door.key").write_text(KEY)
    return tmp_path


def drive(phone: int, day: int) -> str:
    """A drive due east over two holes, as plain CSV."""
    n = round(LENGTH_M / SPEED_MS * RATE_HZ)
    t = np.arange(n) / RATE_HZ
    east = SPEED_MS * t
    up = 9.81 + np.random.default_rng([phone, day]).normal(0, 0.25, n)
    for at in HOLES_M:
        up += 6.0 * np.exp(-(((t - at / SPEED_MS) / 0.06) ** 2)) * np.sin(40 * (t - at / SPEED_MS))
        up -= 4.0 * np.exp(-(((t - at / SPEED_MS) / 0.05) ** 2))
    # As late as a usual receiver: at a steady speed nothing shows how late a fix is.
    late = east - SPEED_MS * LATE_S
    lat, lon = from_local_m(late, np.zeros(n), lat0_deg=12.0, lon0_deg=-150.0)
    start = 1_772_550_000 + 86_400 * day + 60 * phone
    lines = ["# streetbump-csv 1", f"# device: p{phone}", "# synthetic: yes",
             "t,ax,ay,az,lat,lon,speed,heading,accuracy"]  # fmt: skip
    for k in range(n):
        fix = f"{lat[k]:.7f},{lon[k]:.7f},{SPEED_MS},90,4" if k % 20 == 0 else ",,,,"
        lines.append(f"{start + t[k]:.3f},0.0{k % 3},0.0{k % 2},{up[k]:.3f},{fix}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def town(here: Path) -> Path:
    """Six drives of three phones over one street with two holes and one hump that nobody feels."""
    folder = here / "town"
    (folder / "trips").mkdir(parents=True)
    lat, lon = from_local_m(np.array([*HOLES_M, 1700.0]), np.zeros(3), lat0_deg=12.0, lon0_deg=-150)
    rows = ["trip_id,kind,label,t_start_s,lat,lon,tol_m,note"]
    for k, label in enumerate(("pothole", "pothole", "hump")):
        rows.append(f",site,{label},,{lat[k]:.7f},{lon[k]:.7f},15,s{k}")
    for phone in range(3):
        for day in range(2):
            name = f"p{phone}-{day}"
            (folder / "trips" / f"{name}.csv").write_text(drive(phone, day))
            rows += [f"{name},event,pothole,{at / SPEED_MS:.3f},,,,s{k}"
                     for k, at in enumerate(HOLES_M)]  # fmt: skip
    (folder / "truth.csv").write_text("\n".join(rows) + "\n")
    (folder / "dataset.toml").write_text('trips = ["trips/*.csv"]\nseen_in_training = false\n')
    return folder


def table_of(done: subprocess.CompletedProcess[bytes]) -> pd.DataFrame:
    assert done.returncode == 0, done.stderr
    return pd.read_csv(io.BytesIO(done.stdout), keep_default_na=False, na_values=[""])


def one(table: pd.DataFrame, **wanted: str) -> pd.Series:
    keep = pd.Series(True, index=table.index)
    for name, text in wanted.items():
        keep &= table[name].fillna("") == text
    return table[keep].iloc[0]


def test_a_town_is_scored_as_a_user_would_get_it(here: Path, town: Path) -> None:
    """Events, places and peers; nothing is left behind, and the same figures come again."""
    before = sorted(p.name for p in here.rglob("*"))
    first = streetbump("evaluate", town, "--format", "csv", cwd=here)
    table = table_of(first)
    assert streetbump("evaluate", town, "--format", "csv", cwd=here).stdout == first.stdout
    assert sorted(p.name for p in here.rglob("*")) == before
    assert tuple(table.columns) == COLUMNS
    f1 = one(table, part="events", method="streetbump", tuning="not tuned", measure="F1")
    assert f1["value"] == 1
    assert f1["n"] == 12
    assert f1["n_units"] == 6
    assert set(table.loc[table["part"] == "events", "method"]) >= PEERS
    places = table[table["part"] == "places"]
    assert {"after 1 trip", "after 2 trips", "after 3 trips", "after 6 trips"} == set(places["at"])
    assert set(places["method"]) > PEERS
    recall = places[(places["measure"] == "recall") & (places["at"] == "after 6 trips")]
    assert (recall["n"] == 2).all()
    bins = table[(table["part"] == "places by passes") & (table["measure"] == "recall")]
    assert set(bins["at"]) == {"6-9"}
    ceiling = bins[bins["method"] == "felt by 3 trips or more"]
    assert ceiling["value"].tolist() == [1.0]
    away = one(table, part="events", method="streetbump", measure="off by, median")
    assert 0 <= away["value"] < 5


def test_json_lines_when_piped_tables_when_asked(here: Path, town: Path) -> None:
    """Programs get one figure per line, people a table per part; words go to standard error."""
    (town / "truth.csv").write_text(
        "\n".join(x for x in (town / "truth.csv").read_text().split("\n") if ",site," not in x)
    )
    lines = streetbump("evaluate", town, cwd=here).stdout.splitlines()
    assert all(tuple(json.loads(line)) == COLUMNS for line in lines)
    done = streetbump("evaluate", town, "--format", "table", "-q", cwd=here)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "town: events" in text
    assert "leave one trip out" in text
    out = here / "scores.parquet"
    assert streetbump("evaluate", town, "-q", "-o", out, cwd=here).stdout == b""
    assert len(pd.read_parquet(out)) == len(lines)


def test_files_with_a_truth_table_beside_them(here: Path, town: Path) -> None:
    """--truth scores single files; trips of the table that were not given are said."""
    done = streetbump("evaluate", town / "trips" / "p0-0.csv", town / "trips" / "p1-1.csv",
                      "--truth", town / "truth.csv", "--format", "csv", cwd=here)  # fmt: skip
    table = table_of(done)
    assert one(table, part="events", method="streetbump", measure="F1")["n_units"] == 2
    assert b"4 in the truth table, but not among what was read" in done.stderr


BROKEN = [
    ("dataset.toml", "ratehz = 3\n", 2, "dataset.toml: Object contains unknown field `ratehz`"),
    ("dataset.toml", "name =\n", 2, "dataset.toml: not valid TOML"),
    ("dataset.toml", 'columns = "no.toml"\n', 2, "no.toml: No such file"),
    ("dataset.toml", 'truth = "no.csv"\n', 1, "no.csv: no such truth table"),
    ("truth.csv", "trip_id,kind,label\na,evnt,b\n", 1, "truth.csv: line 2: kind is none of"),
    ("trips/p0-0.csv", "\n", 1, "p0-0.csv: EMPTY"),
]


@pytest.mark.parametrize(("name", "text", "code", "said"), BROKEN, ids=lambda v: str(v)[:24])
def test_what_is_broken_is_named(
    here: Path, town: Path, name: str, text: str, code: int, said: str
) -> None:
    """The file, the reason, and an exit code of its own; never a traceback."""
    (town / "truth.csv").write_text(
        "\n".join(x for x in (town / "truth.csv").read_text().split("\n") if ",site," not in x)
    )
    (town / name).write_text(text)
    done = streetbump("evaluate", town, cwd=here)
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert str(town / name) in done.stderr.decode() or "no." in said
    assert b"Traceback" not in done.stderr


def test_without_truth_there_is_nothing_to_score(here: Path, town: Path) -> None:
    """A lone file is a slip of the command, a folder without a table is missing input."""
    lone = streetbump("evaluate", town / "trips" / "p0-0.csv", cwd=here)
    assert (lone.returncode, b"--truth FILE" in lone.stderr) == (2, True)
    folder = streetbump("evaluate", town / "trips", cwd=here)
    assert (folder.returncode, b"no such truth table" in folder.stderr) == (1, True)
    nowhere = streetbump("evaluate", here / "nowhere", cwd=here)
    assert (nowhere.returncode, b"no such file or folder" in nowhere.stderr) == (1, True)


def test_pictures_are_written(here: Path, town: Path) -> None:
    """--pictures makes the folder and says what it drew."""
    pytest.importorskip("matplotlib")
    done = streetbump("evaluate", town, "--pictures", here / "a" / "b", cwd=here)
    assert done.returncode == 0, done.stderr
    drawn = sorted(p.name for p in (here / "a" / "b").iterdir())
    assert drawn == ["1-town-events-f1.png", "1-town-places-by-passes.png",
                     "1-town-places-reliability.png"]  # fmt: skip
    assert b"drawn into" in done.stderr


# --------------------------------------------------------------------------- real recordings


def _have_interval(rows: pd.DataFrame) -> bool:
    return bool((rows["lo"].notna() & (rows["lo"] <= rows["hi"]) & (rows["n"] > 0)).all())


@real
@pytest.mark.parametrize("described", [False, True], ids=["inferred", "described"])
def test_real_drives_are_scored_beside_their_peers(here: Path, described: bool) -> None:
    """38 button presses on four drives, ours untuned, each classic tuned on the other drives."""
    more = ["--dataset", ROOT / "docs" / "datasets" / "pittsburgh-routes.toml"]
    folder = Path(str(DATA)) / "pittsburgh_routes_2017"
    done = streetbump("evaluate", folder, *more[: 2 * described], "--format", "csv", cwd=here)
    table = table_of(done)
    f1 = table[(table["part"] == "events") & (table["measure"] == "F1")]
    assert set(f1["method"]) == {"streetbump", "chance", *PEERS}
    assert (f1["n"] == 38).all()
    assert (f1["n_units"] == 4).all()
    assert _have_interval(f1)
    ours = one(f1, method="streetbump", tuning="not tuned")
    assert ours["value"] > one(f1, method="chance")["value"]
    tuned = f1[f1["tuning"] == "leave one trip out"]
    assert set(tuned["method"]) == {"streetbump", *PEERS}
    sessions = table[table["part"] == "sessions"]
    assert (sessions["n"] == 6).all()
    if not described:
        assert b"r1_potholes.csv" in done.stderr
        assert b"refused" not in done.stderr


@real
def test_real_clips_are_scored_and_their_training_is_said(here: Path) -> None:
    """250 clips, five classes; the description says that the model was trained on them."""
    folder = Path(str(DATA)) / "gonzalez_2017"
    plain = streetbump("evaluate", folder, "--format", "csv", cwd=here)
    table = table_of(plain)
    accuracy = table[(table["part"] == "clips: event or road") & (table["measure"] == "accuracy")]
    assert set(accuracy["method"]) == {
        "streetbump", "always event", *(c.name for c in CLASSICS if c.vertical_only)
    }  # fmt: skip
    assert (accuracy["n"] == 250).all()
    assert _have_interval(accuracy)
    assert b"nobody said" in plain.stderr
    assert b"taken to be sampled at 50 Hz" in plain.stderr
    described = streetbump("evaluate", folder, "--dataset",
                           ROOT / "docs" / "datasets" / "gonzalez.toml", "--format", "table",
                           cwd=here)  # fmt: skip
    assert "trained on these very clips" in described.stdout.decode()
    for text in (described.stdout.decode(), described.stderr.decode()):
        assert "TRAINED ON THESE RECORDINGS" in text
        assert "docs/models/jolt-model-3.md" in text


@real
@pytest.mark.parametrize(
    ("folder", "described", "n"),
    [("tartu_road_surface", "tartu", 62), ("bangalore_roads", "bangalore", 7)],
)
def test_real_sessions_are_ranked(here: Path, folder: str, described: str, n: int) -> None:
    """Sessions without clock or position, read as bare series through their description."""
    table = table_of(
        streetbump("evaluate", Path(str(DATA)) / folder, "--dataset",
                   ROOT / "docs" / "datasets" / f"{described}.toml", "--format", "csv", cwd=here)
    )  # fmt: skip
    rank = one(table, part="sessions", method="streetbump", measure="Spearman")
    assert rank["n"] == n
    assert rank["lo"] > 0
