"""``streetbump explain --trip`` as a user runs it."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from streetbump.report.rows import DETECT_COLUMNS
from streetbump.trips.notes import TOPICS

from .conftest import TRIPS
from .test_cli import ADA, here, streetbump

__all__ = ["here"]  # the folder with a key, a fixture


def facts_in(stderr: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in stderr.decode().splitlines() if ": " in line)


def table_of(stdout: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(stdout))


def test_the_figures_are_those_of_detect(here: Path) -> None:
    """Jolts as `detect --all` prints them, marked as `detect` does; the words count them."""
    done = streetbump("explain", "--trip", ADA, "--format", "csv", cwd=here)
    jolts = table_of(done.stdout)
    every = table_of(streetbump("detect", ADA, "--all", "--format", "csv", cwd=here).stdout)
    sure = table_of(streetbump("detect", ADA, "--format", "csv", cwd=here).stdout)
    pd.testing.assert_frame_equal(jolts[list(DETECT_COLUMNS)], every)
    assert jolts.loc[jolts["reported"], "t_s"].tolist() == sure["t_s"].tolist()
    said = facts_in(done.stderr)
    for name, rows in (("candidates", every), ("reported", sure)):
        many, each = said[name].split(" (", 1)[0], said[name].split("): ")[1]
        assert int(many) == len(rows) > 0
        counted = {name: int(n) for n, name in (part.split() for part in each.split(", "))}
        assert counted == Counter(rows["class"])
    doctor = streetbump("doctor", "trip", ADA, cwd=here).stdout.decode()
    for line in doctor.strip().splitlines():
        name, value = line.split(": ", 1) if ": " in line else (line.rstrip(": "), "")
        if name not in {"file", "jolts", *TOPICS}:
            assert said.get(name, "") == value


def test_jolts_without_a_place_are_counted_with_the_reason(here: Path) -> None:
    """Fixes ten seconds apart: the jolts are there, no place is guessed, and the words say why."""
    head, rows = Path(ADA).read_text().split("accuracy\n")
    fixes = (k for k, row in enumerate(rows.splitlines()) if not row.endswith(",,,,"))
    kept = set(list(fixes)[::10])
    thin = [r for k, r in enumerate(rows.splitlines()) if r.endswith(",,,,") or k in kept]
    (here / "thin.csv").write_text("\n".join([head + "accuracy", *thin]) + "\n")
    done = streetbump("explain", "--trip", "thin.csv", "--format", "csv", cwd=here)
    assert table_of(done.stdout)["lat_deg"].isna().all()
    assert facts_in(done.stderr)["placed"].startswith("0 of ")
    assert "placed: 0 of " in streetbump("doctor", "trip", "thin.csv", cwd=here).stdout.decode()
    assert facts_in(streetbump("explain", "--trip", ADA, cwd=here).stderr)["placed"] == "all"


def test_people_see_time_class_and_what_is_reported(here: Path) -> None:
    """The table for people has the time of day, the probability, and yes or no."""
    done = streetbump("explain", "--trip", ADA, "--format", "table", cwd=here)
    head, *rows = [line.split() for line in done.stdout.decode().splitlines() if line.strip()]
    assert (head[0], head[-2:]) == ("UTC", ["p", "reported"])
    assert sum(row[-1] == "yes" for row in rows) == int(
        facts_in(done.stderr)["reported"].split()[0]
    )


def test_words_tell_no_place_and_q_no_word(here: Path) -> None:
    """Positions are data: the words have none; -q leaves data alone."""
    done = streetbump("explain", "--trip", ADA, cwd=here)
    assert b"12.00" in done.stdout
    assert b"12.00" not in done.stderr
    assert b"149.9" not in done.stderr
    still = streetbump("explain", "--trip", ADA, "-q", cwd=here)
    assert (still.stdout, still.stderr) == (done.stdout, b"")


def test_a_picture_is_drawn_and_the_words_stay(here: Path) -> None:
    """-o trip.png draws; the account goes to standard error, with -q nowhere."""
    pytest.importorskip("matplotlib")
    done = streetbump("explain", "--trip", ADA, "-o", "t.png", cwd=here)
    assert (done.returncode, done.stdout) == (0, b"")
    assert (here / "t.png").read_bytes().startswith(b"\x89PNG")
    assert "not_heard" in facts_in(done.stderr)
    assert b"drawn into t.png" in done.stderr
    again = streetbump("explain", "--trip", ADA, "-o", "u.png", "-q", cwd=here)
    assert (again.returncode, again.stdout, again.stderr) == (0, b"", b"")
    assert (here / "u.png").read_bytes() == (here / "t.png").read_bytes()


def test_the_ending_says_what_is_drawn(here: Path) -> None:
    """PDF in capitals is a PDF; with --format the file is data, whatever it is called."""
    pytest.importorskip("matplotlib")
    streetbump("explain", "--trip", ADA, "-o", "t.PDF", cwd=here)
    assert (here / "t.PDF").read_bytes().startswith(b"%PDF")
    streetbump("explain", "--trip", ADA, "-o", "t.png", "--format", "csv", cwd=here)
    assert (here / "t.png").read_bytes().startswith(b"trip_id,")


def test_each_trip_has_its_picture(here: Path) -> None:
    """Several trips give several files, numbered."""
    pytest.importorskip("matplotlib")
    (here / "trips").mkdir()
    for name in TRIPS[:2]:
        (here / "trips" / Path(name).name).write_bytes(Path(name).read_bytes())
    done = streetbump("explain", "--trip", "trips", "-o", "t.png", cwd=here)
    assert done.returncode == 0, done.stderr
    assert (here / "t.png").read_bytes() != (here / "t-2.png").read_bytes()


def test_what_cannot_be_drawn_is_said(here: Path) -> None:
    """A refused file, a folder that is not there: a sentence, an exit code, no picture."""
    pytest.importorskip("matplotlib")
    (here / "bad.csv").write_text("t,ax,ay,az\n")
    bad = streetbump("explain", "--trip", "bad.csv", "-o", "t.png", cwd=here)
    assert (bad.returncode, bad.stdout) == (1, b"")
    assert b"refused bad.csv" in bad.stderr
    assert not (here / "t.png").exists()
    lost = streetbump("explain", "--trip", ADA, "-o", here / "no" / "t.png", cwd=here)
    assert lost.returncode == 2
    assert lost.stderr.splitlines()[-1].endswith(b"there is no folder " + bytes(here / "no"))


def test_without_matplotlib_words_work_and_pictures_name_the_extra(here: Path) -> None:
    """The package is needed for the picture only, and missing it is said before any work."""
    (here / "matplotlib").mkdir()
    (here / "matplotlib" / "__init__.py").write_text("raise ImportError('not here')\n")
    words = streetbump("explain", "--trip", ADA, cwd=here, PYTHONPATH=str(here))
    assert (words.returncode, len(words.stdout) > 0) == (0, True)
    done = streetbump("explain", "--trip", ADA, "-o", "t.png", cwd=here, PYTHONPATH=str(here))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"pip install 'streetbump[plot]'" in done.stderr
