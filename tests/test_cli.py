"""The command line as a contract: names, shapes, exit codes, words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd
import pyarrow.parquet as pq
import pytest

from streetbump.cli import main
from streetbump.report.rows import CLUSTER_COLUMNS, DETECT_COLUMNS

from .conftest import FIXTURES, KEY, ROOT, TRIPS

ADA = TRIPS[0]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "door.key").write_text(KEY)
    return tmp_path


def streetbump(
    *arguments: object, cwd: Path, stdin: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a user would: another process, its own folder."""
    # Readline, where something imports it, sets the size of a terminal that is not there.
    ours = ("STREETBUMP", "COLUMNS", "LINES")
    env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    env |= {"STREETBUMP_KEY_FILE": str(cwd / "door.key"), **environ}
    return subprocess.run(
        [sys.executable, "-m", "streetbump.cli", *map(str, arguments)],
        cwd=cwd, env=env, input=stdin, capture_output=True, check=False, timeout=120,
    )  # fmt: skip


def every_command(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(every_command())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_has_help_and_stands_in_the_documentation(
    path: tuple[str, ...],
) -> None:
    """A command without help, or missing in docs/commands.md, fails."""
    command = COMMANDS[path]
    assert command.help
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [o.name for o in options if not o.help] == []
    assert f"streetbump {' '.join(path)}" in (ROOT / "docs" / "commands.md").read_text("utf-8")


def test_help_imports_nothing_heavy(here: Path) -> None:
    """`streetbump --help` answers without scipy, pandas, sklearn, sqlalchemy or httpx."""
    code = (
        "import sys; from click.testing import CliRunner; from streetbump.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "assert CliRunner().invoke(main, ['run', '--help']).exit_code == 0;"
        "print(sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = {"numpy", "scipy", "pandas", "sklearn", "sqlalchemy", "httpx", "pyarrow", "shapely"}
    assert heavy & set(json.loads(done.stdout.replace("'", '"'))) == set()


def test_detect_prints_json_lines_when_piped(here: Path) -> None:
    """Piped output is JSON lines with exactly the contract's columns, numbers as numbers."""
    done = streetbump("detect", ADA, cwd=here)
    assert (done.returncode, done.stderr) == (0, b"")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) >= 5
    assert all(tuple(row) == DETECT_COLUMNS for row in rows)
    assert all(row["t_utc_s"] - row["t_s"] == pytest.approx(1.7725e9, abs=1e6) for row in rows)
    assert all(sum(v for k, v in row.items() if k[:2] == "p_") == pytest.approx(1, abs=1e-3)
               for row in rows)  # fmt: skip


def test_detect_all_prints_the_rest_too(here: Path) -> None:
    """--all adds the candidates under the operating point."""
    sure = streetbump("detect", *TRIPS, cwd=here).stdout.splitlines()
    everything = streetbump("detect", *TRIPS, "--all", cwd=here).stdout.splitlines()
    assert set(sure) < set(everything)


def test_detect_reads_standard_input(here: Path) -> None:
    """A dash is standard input, and gives what the file gives."""
    piped = streetbump("detect", "-", cwd=here, stdin=Path(ADA).read_bytes())
    assert piped.stdout == streetbump("detect", ADA, cwd=here).stdout


def test_detect_takes_jolts_of_trips_without_a_fix(here: Path) -> None:
    """Without positions the jolts are there, with null places, and a null geometry in GeoJSON."""
    lines = Path(ADA).read_text("utf-8").splitlines()
    names = lines[3].split(",")
    keep = [names.index(n) for n in ("t", "ax", "ay", "az")]
    rows = [",".join(line.split(",")[k] for k in keep) for line in lines[3:]]
    (here / "still.csv").write_text("\n".join(rows) + "\n", "utf-8")
    done = streetbump("detect", "still.csv", "--format", "geojson", cwd=here)
    features = json.loads(done.stdout)["features"]
    assert features
    assert all(f["geometry"] is None for f in features)
    assert all(f["properties"]["lat_deg"] is None for f in features)


@pytest.mark.parametrize("ending", ["geojson", "csv", "jsonl", "parquet"])
def test_detect_writes_files_by_their_ending(here: Path, ending: str) -> None:
    """-o writes what the ending says, with the same rows."""
    out = here / f"x.{ending}"
    done = streetbump("detect", ADA, "-o", out, cwd=here)
    assert (done.returncode, done.stdout) == (0, b"")
    n = len(streetbump("detect", ADA, cwd=here).stdout.splitlines())
    if ending == "geojson":
        collection = json.loads(out.read_text("utf-8"))
        assert collection["type"] == "FeatureCollection"
        assert len(collection["features"]) == n
        lon, lat = collection["features"][0]["geometry"]["coordinates"]
        assert (lon, lat) == (pytest.approx(-150, abs=0.1), pytest.approx(12, abs=0.1))
    elif ending == "parquet":
        table = pq.read_table(out)
        assert table.num_rows == n
        assert json.loads(table.schema.metadata[b"geo"])["version"] == "1.1.0"
    else:
        read = pd.read_csv(out) if ending == "csv" else pd.read_json(out, lines=True)
        assert (len(read), tuple(read.columns)) == (n, DETECT_COLUMNS)


@pytest.mark.parametrize("name", ["x.xlsx", "x.png", "x", "no/x.csv"])
def test_what_cannot_be_written_is_said_before_the_work(here: Path, name: str) -> None:
    """A wrong ending or a missing folder ends the command before anything is stored or sent."""
    done = streetbump("run", ADA, "--city", "sandbox", "--send", "-o", name, cwd=here)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert f"-o {name}: ".encode() in done.stderr
    assert not (here / "streetbump.db").exists()


@pytest.mark.parametrize("more", [("--format", "jsonl"), ("-o", "x.csv")])
def test_what_is_told_in_words_says_so_when_rows_are_asked_for(
    here: Path, more: tuple[str, str]
) -> None:
    """``doctor trip`` and ``explain ID`` have no rows: they refuse, or write a text file."""
    asked = streetbump("doctor", "trip", ADA, *more, cwd=here)
    assert (asked.returncode, asked.stdout) == (2, b"")
    assert b"told in words" in asked.stderr
    words = streetbump("doctor", "trip", ADA, "-o", "x.txt", cwd=here)
    assert (words.returncode, words.stdout) == (0, b"")
    assert (here / "x.txt").read_bytes() == streetbump("doctor", "trip", ADA, cwd=here).stdout


def test_a_box_upside_down_is_refused(here: Path) -> None:
    """Latitudes and longitudes that were swapped are no empty answer."""
    done = streetbump("cluster", "--bbox", "12,-150,13,-149", cwd=here)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no latitudes from south to north" in done.stderr


def test_a_folder_without_files_is_said(here: Path) -> None:
    """Nothing found among files, and no files, are not the same."""
    (here / "empty").mkdir()
    for command in ("detect", "roughness"):
        done = streetbump(command, "empty", cwd=here)
        assert (done.returncode, done.stdout) == (0, b"")
        assert done.stderr == b"no files there: empty\n"


def test_run_then_look(here: Path) -> None:
    """Run fills a store; cluster, explain, submit and doctor read it."""
    done = streetbump("run", *TRIPS, "--obstacles", FIXTURES / "obstacles.geojson", cwd=here)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(tuple(row) == CLUSTER_COLUMNS for row in rows)
    assert (here / "streetbump.db").exists()
    potholes = streetbump("cluster", "--class", "pothole", "--min-trips", "3", cwd=here)
    listed = [json.loads(line) for line in potholes.stdout.splitlines()]
    assert [row["state"] for row in listed] == ["flagged"] * 5
    explained = streetbump("explain", listed[0]["place_id"], cwd=here).stdout.decode()
    assert "passes jolted" in explained
    assert not any(f"phone-{name}" in explained for name in ("ada", "ben", "cleo"))
    hump = next(row for row in rows if row["class"] == "hump")
    assert "known obstacle" in streetbump("explain", hump["cluster_id"], cwd=here).stdout.decode()
    west = streetbump("cluster", "--bbox", "-150.1,11.9,-149.99,12.1", cwd=here)
    assert 0 < len(west.stdout.splitlines()) < len(rows)
    plan = streetbump("submit", "--city", "sandbox", "--format", "csv", cwd=here)
    assert plan.stdout.count(b",send,") == 5
    assert b"nothing was sent" in plan.stderr
    doctor = streetbump("doctor", "--format", "csv", cwd=here).stdout.decode()
    assert "generation,ok" in doctor
    obstacles = streetbump("obstacles", "list", "--format", "csv", cwd=here).stdout.decode()
    assert obstacles.count("\n") == 7


def test_people_get_a_table_in_which_nothing_is_cut(here: Path) -> None:
    """--format table shows ids, classes and states whole."""
    streetbump("run", *TRIPS[:5], cwd=here)
    table = streetbump("cluster", "--format", "table", cwd=here).stdout.decode()
    first = json.loads(streetbump("cluster", cwd=here).stdout.splitlines()[0])
    assert first["cluster_id"] in table.replace("\n", "")
    assert "place or cluster" in table
    assert "…" not in table


def test_ids_stay_whole_on_a_narrow_terminal(here: Path) -> None:
    """In 80 columns a place's id, class and state are still whole words that can be copied."""
    streetbump("run", *TRIPS, cwd=here)
    table = streetbump("cluster", "--format", "table", cwd=here, COLUMNS="80").stdout.decode()
    rows = [json.loads(row) for row in streetbump("cluster", cwd=here).stdout.splitlines()]
    (first, *_) = [row for row in rows if row["place_id"]]
    line = next(line for line in table.splitlines() if first["place_id"] in line)
    assert line.split()[:3] == [first["place_id"], first["class"], first["state"]]


def test_the_dry_run_says_of_every_cluster_why_it_would_not_go(here: Path) -> None:
    """What is sent comes first; each cluster without a place has a row with what it lacks."""
    streetbump("run", *TRIPS, "--obstacles", FIXTURES / "obstacles.geojson", cwd=here)
    done = streetbump("submit", "--city", "sandbox", cwd=here)
    plan = [json.loads(row) for row in done.stdout.splitlines()]
    clusters = [json.loads(row) for row in streetbump("cluster", cwd=here).stdout.splitlines()]
    unplaced = {c["cluster_id"] for c in clusters if c["place_id"] is None}
    assert {row["cluster_id"] for row in plan} - {None} == unplaced
    assert unplaced
    assert all(row["why"].startswith("not flagged: ") for row in plan if row["cluster_id"])
    assert [row["action"] for row in plan] == ["send"] * 5 + ["skip"] * len(unplaced)
    table = streetbump("submit", "--city", "sandbox", "--format", "table", cwd=here).stdout
    assert "\ufffd" not in table.decode()


def test_reviewing(here: Path) -> None:
    """What a person rejects is never planned; who did it is kept."""
    streetbump("run", *TRIPS, "--obstacles", FIXTURES / "obstacles.geojson", cwd=here)
    listed = [json.loads(x) for x in streetbump("review", "list", cwd=here).stdout.splitlines()]
    pothole = next(row["place_id"] for row in listed if row["class"] == "pothole")
    done = streetbump("review", "reject", pothole, "--by", "Ann", "--note", "patched", cwd=here)
    assert b"rejected by Ann: patched" in done.stderr
    plan = streetbump("submit", "--city", "sandbox", "--format", "csv", cwd=here).stdout
    assert plan.count(b",send,") == 4
    assert b"a person rejected it" in plan
    streetbump("review", "approve", pothole, "--by", "Bob", cwd=here)
    plan = streetbump("submit", "--city", "sandbox", "--format", "csv", cwd=here).stdout
    assert plan.count(b",send,") == 5
    missing = streetbump("review", "hold", "P-NONE", "--by", "Ann", cwd=here)
    assert (missing.returncode, b"no such place" in missing.stderr) == (1, True)


BAD_INPUT = {
    "empty file": (b"", "EMPTY"),
    "PNG named .csv": (b"\x89PNG\r\n\x1a\n" + bytes(64), "UNSUPPORTED_TYPE"),
    "CSV without accelerometer": (b"time,latitude,longitude\n1,2,3\n", "NO_ACCEL"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_a_reason_and_changes_nothing(here: Path, case: str) -> None:
    """Exit 1, the reason and a hint on standard error; no trip, no jolt, no cluster."""
    data, reason = BAD_INPUT[case]
    (here / "bad.csv").write_bytes(data)
    for command in ("run", "detect"):
        done = streetbump(command, "bad.csv", cwd=here)
        assert done.returncode == 1
        assert f"refused bad.csv: {reason}: ".encode() in done.stderr
        assert done.stdout == b""
        assert b"Traceback" not in done.stderr
    assert b'"trips": 0' in streetbump("doctor", cwd=here).stdout.replace(b"\\", b"")


def test_a_missing_file_is_said_before_anything_is_made(here: Path) -> None:
    """A path that does not exist: exit 1, and not even a store."""
    done = streetbump("run", "no-such.csv", ADA, cwd=here)
    assert done.returncode == 1
    assert b"no-such.csv: no such file or folder" in done.stderr
    assert not (here / "streetbump.db").exists()


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("sqlite:////proc/streetbump.db", 4, "cannot be written"),  # even root cannot write there
        ("sqlite:///no/such/folder/s.db", 4, "folder no/such/folder does not exist"),
        ("sqlite:///notes.txt", 4, "is not a streetbump store"),
        ("mysql://here", 2, "only sqlite:///FILE is supported"),
        ("nonsense", 2, "is not a store URL"),
    ],
)
def test_a_store_that_cannot_be_used_is_said_in_one_line(
    here: Path, url: str, code: int, words: str
) -> None:
    """Where, what, and never a traceback; the file that is no store stays as it was."""
    (here / "notes.txt").write_text("not a database, but somebody's notes\n" * 40)
    done = streetbump("run", ADA, "--store", url, cwd=here)
    assert (done.returncode, done.stdout) == (code, b"")
    assert words in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert (here / "notes.txt").read_text().startswith("not a database")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", ADA, "--send"), "--send: to which city?"),
        (("run", ADA, "--tz", "Mars/Olympus"), "Mars/Olympus"),
        (("run", ADA, "--settings", "none.toml"), "--settings none.toml"),
        (("run", ADA, "--date", "2026-13-01"), "--date 2026-13-01"),
        (("run", ADA, "--date", "2026-W01-1"), "--date 2026-W01-1"),
        (("run", ""), "an empty path"),
        (("cluster", "--class", "potholes"), "potholes"),
        (("run", ADA, "--city", "none.toml"), "none.toml"),
        (("cluster", "--bbox", "1,2,3"), "four numbers"),
        (("explain",), "either a place"),
        (("obstacles", "import", ADA, "--kind", "moon"), "--kind moon"),
        (("cluster",), "does not exist; streetbump run makes one"),
        (("frobnicate",), "No such command"),
    ],
    ids=lambda value: " ".join(map(str, value))[:40] if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_explained(here: Path, arguments: tuple[str, ...], words: str) -> None:
    """Wrong words on the command line: exit code not 0, a sentence, no traceback."""
    done = streetbump(*arguments, cwd=here)
    assert done.returncode in {1, 2, 4}
    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_classes_and_states_are_those_of_the_model() -> None:
    """The command line's words for classes and states are the model's."""
    from streetbump import model
    from streetbump.cli import places

    assert tuple(c.value for c in model.JoltClass) == places.CLASS_NAMES
    assert tuple(s.value for s in model.PlaceState) == places.STATE_NAMES


def test_a_store_is_private_and_not_read_as_trips(here: Path) -> None:
    """The database is its owner's alone; `run .` does not take it for a trip."""
    (here / "trips").mkdir()
    (here / "trips" / "a.csv").write_bytes(Path(ADA).read_bytes())
    streetbump("run", "trips", cwd=here)
    assert (here / "streetbump.db").stat().st_mode & 0o77 == 0
    (here / "door.key").rename(here / ".key")
    again = streetbump("run", ".", cwd=here, STREETBUMP_KEY_FILE=str(here / ".key"))
    assert b"1 files offered, 0 refused" in again.stderr


def test_standard_input_leaves_nothing_behind(here: Path) -> None:
    """What came in by a pipe is stored trimmed only, not as it came."""
    done = streetbump("run", "-", cwd=here, stdin=Path(ADA).read_bytes())
    assert done.returncode == 0
    assert list((here / "streetbump.db.spool").iterdir()) == []


def test_quiet_is_silent(here: Path) -> None:
    """-q: fit for cron, not a word on standard error."""
    assert streetbump("run", *TRIPS[:2], "-q", cwd=here).stderr == b""


def test_the_environment_names_the_store(here: Path) -> None:
    """$STREETBUMP_STORE says where the store is."""
    streetbump("run", ADA, cwd=here, STREETBUMP_STORE="sqlite:///other.db")
    assert (here / "other.db").exists()
    assert not (here / "streetbump.db").exists()


def test_no_raw_device_name_is_stored(here: Path) -> None:
    """Pseudonyms at the door: the phone's name is in no file of the store."""
    streetbump("run", ADA, TRIPS[3], "--device", "jane-doe-phone", "-v", cwd=here)
    streetbump("run", TRIPS[5], cwd=here)
    for path in here.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"jane-doe" not in data
            assert b"phone-" not in data


def test_what_is_stored_is_trimmed(here: Path) -> None:
    """No stored sample lies within 100 m of where the trip began or ended."""
    from streetbump.geo import distance_m
    from streetbump.stores.archive import Archive

    streetbump("run", ADA, cwd=here)
    (path,) = (here / "streetbump.db.trips").rglob("*.parquet")
    trip = Archive(here / "streetbump.db.trips").load(path.stem)
    rows = pd.read_csv(ADA, comment="#").dropna(subset=["lat"])
    for end in (rows.iloc[0], rows.iloc[-1]):
        away = distance_m(end["lat"], end["lon"], trip.lat_e7 * 1e-7, trip.lon_e7 * 1e-7)
        assert away.min() > 150


# --------------------------------------------------------------------------- real recordings

DATA = os.environ.get("STREETBUMP_DATA")
real = pytest.mark.skipif(DATA is None, reason="STREETBUMP_DATA is not set: no real recordings")


@real
def test_nine_real_runs_and_a_city_catalogue(here: Path) -> None:
    """Eight of nine runs are read, one has no fix; 18,451 of 34,257 catalogue rows are used.

    Their phones are unnamed, so nothing is flagged, and it says so. In another order, and one
    file at a time, the clusters are the same, byte for byte.
    """
    folder = Path(str(DATA)) / "saopaulo_physics_toolbox"
    runs = sorted((folder / "runs").glob("*.csv"))
    catalogue = folder / "speed_bumps_city_catalogue.csv"
    more = ("--tz", "America/Sao_Paulo")
    first = streetbump("run", *runs, "--obstacles", catalogue, "--kind", "hump", *more,
                       "--store", "sqlite:///a.db", cwd=here)  # fmt: skip
    words = first.stderr.decode()
    assert first.returncode == 1
    assert "2018-10-1220.33.57.csv: NO_FIX" in words
    assert words.count("refused /") == 1
    assert "18451 distinct obstacles in 34257 rows" in words
    assert "15806 rows not used" in words
    assert "nothing is flagged: no trip names its device" in words
    assert len(first.stdout.splitlines()) >= 20
    streetbump("obstacles", "import", catalogue, "--kind", "hump", "--store", "sqlite:///b.db",
               cwd=here)  # fmt: skip
    for run in reversed(runs):
        last = streetbump("run", run, *more, "--store", "sqlite:///b.db", cwd=here)
    assert sorted(last.stdout.splitlines()) == sorted(first.stdout.splitlines())


@real
@pytest.mark.parametrize(
    ("files", "more", "least"),
    [
        (["auckland_androsensor/accel.2020-10-15-21.csv"],
         ["--gps", "auckland_androsensor/gps.2020-10-15-21.csv"], 3),
        ([f"pittsburgh_routes_2017/routes/r{k}_sensors.csv" for k in (1, 2, 3, 4)],
         ["--columns", str(ROOT / "docs" / "column-maps" / "phone-5hz-g-ios.toml")], 10),
    ],
    ids=["separate positions", "column map"],
)  # fmt: skip
def test_real_drives_give_candidates(
    here: Path, files: list[str], more: list[str], least: int
) -> None:
    """Real drives with --gps, and through a column map, are read whole and give candidates."""
    paths = [Path(str(DATA)) / name for name in files]
    options = [Path(str(DATA)) / o if o.startswith("auck") else o for o in more]
    done = streetbump("run", *paths, *options, cwd=here)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) >= least
    assert {row["state"] for row in rows} == {"candidate"}
