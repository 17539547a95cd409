"""``streetbump classify`` as a user runs it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streetbump.config import shipped_settings
from streetbump.detect.classify import BARE_PRIOR, class_probabilities, load_model, under_prior
from streetbump.model import CLASSES, P_COLUMNS, JoltClass, classify_rows
from streetbump.report.hearing import bare_trip
from streetbump.report.series import clip_of

from .conftest import KEY
from .test_cli import DATA, real, streetbump

COLUMNS = ["path", "class", *P_COLUMNS]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "door.key").write_text(KEY)
    return tmp_path


def jolt(*, rate_hz: float = 50.0, at_s: float = 2.0, gravity: float = 9.81) -> np.ndarray:
    """Four seconds of a calm road with one decaying swing."""
    t = np.arange(0.0, 4.0, 1 / rate_hz)
    apart = t - at_s
    swing = 6.0 * np.exp(-np.abs(apart) / 0.1) * np.cos(2 * np.pi * 6.0 * apart)
    return gravity + swing + 0.2 * np.sin(2 * np.pi * 1.7 * t)


def write(path: Path, values: np.ndarray, header: str | None = "acc_z") -> str:
    lines = ([header] if header is not None else []) + [f"{v:.5f}" for v in values]
    path.write_text("\n".join(lines) + "\n")
    return path.name


def classified(cwd: Path, *arguments: str) -> pd.DataFrame:
    done = streetbump("classify", *arguments, "--format", "csv", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(io.BytesIO(done.stdout))


def test_one_row_per_file_in_the_order_given(here):
    """The columns of the contract; probabilities sum to 1; the word follows from them."""
    names = [write(here / f"{k}.csv", jolt(at_s=1.0 + k)) for k in (2, 0, 1)]
    table = classified(here, *names, "--rate-hz", "50")
    assert list(table.columns) == COLUMNS
    assert table["path"].tolist() == names
    p = table[list(P_COLUMNS)].to_numpy()
    assert p.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-3)
    words = classify_rows(p, unsure_below=shipped_settings().detect.unsure_below)
    assert table["class"].tolist() == [w.value for w in words]


def test_header_and_gravity_change_nothing(here):
    """Any header or none, with gravity or without, and a byte order mark: one verdict."""
    names = [
        write(here / "a.csv", jolt()),
        write(here / "b.csv", jolt(), header=None),
        write(here / "c.csv", jolt(), header="whatever this is"),
        write(here / "d.csv", jolt(gravity=0.0)),
        write(here / "e.csv", jolt(), header="\ufeffacc"),
    ]
    p = classified(here, *names, "--rate-hz", "50")[list(P_COLUMNS)].to_numpy()
    # 9.81 is not quite standard gravity: now and then a sample crosses a step of 8 mm/s².
    assert p == pytest.approx(np.tile(p[0], (5, 1)), abs=2e-2)


def test_other_rates_are_brought_to_ours(here):
    """A jolt sampled at 100 or 200 Hz has nearly the probabilities it has at 50 Hz."""
    rates = (50.0, 100.0, 200.0)
    tables = [
        classified(here, write(here / f"{r:g}.csv", jolt(rate_hz=r)), "--rate-hz", f"{r:g}")
        for r in rates
    ]
    p = np.concatenate([t[list(P_COLUMNS)].to_numpy() for t in tables])
    assert np.abs(p - p[0]).max() < 0.35
    assert np.abs(p - p[0]).mean() < 0.1


def test_piped_output_is_json_lines(here):
    """A program gets one object per file."""
    done = streetbump("classify", write(here / "a.csv", jolt()), "--rate-hz", "50", cwd=here)
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert list(row) == COLUMNS


def test_output_goes_to_a_file(here):
    """-o writes by the ending."""
    name = write(here / "a.csv", jolt())
    done = streetbump("classify", name, "--rate-hz", "50", "-o", "out.csv", cwd=here)
    assert done.returncode == 0
    assert list(pd.read_csv(here / "out.csv").columns) == COLUMNS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "SCHEMA", id="empty"),
        pytest.param(b"acc\n", "SCHEMA", id="a header only"),
        pytest.param(b"9.8\n", "SCHEMA", id="one sample"),
        pytest.param(b"acc\n9.8\n", "SCHEMA", id="a header and one sample"),
        pytest.param(b"acc\n9.8\ninf\n", "SCHEMA", id="infinite"),
        pytest.param(b"acc\n9.8\nten\n9.8\n", "SCHEMA", id="a word among numbers"),
        pytest.param(b"acc\n9.8\nnan\n9.8\n", "SCHEMA", id="no number"),
        pytest.param(b"x,y\n1,2\n3,4\n", "SCHEMA", id="two columns"),
        pytest.param(b"# made by\n1,2\n3,4,5\n", "SCHEMA", id="ragged"),
        pytest.param(b"x,y,z\n0,0,9.8\n0,0,9.8\n", "SCHEMA", id="three columns"),
        pytest.param(b"\xff\xfe\x00\x01", "ENCODING", id="not text"),
        pytest.param(b"acc\n1e9\n9.8\n", "PHYSICS_ACCEL", id="another unit"),
        pytest.param(None, "UNREADABLE", id="no such file"),
    ],
)
def test_a_bad_file_is_refused_and_the_others_go_on(here, data, reason):
    """Exit code 1, a reason for the bad one, a row for each of the others."""
    good = [write(here / f"{k}.csv", jolt()) for k in range(2)]
    if data is not None:
        (here / "bad.csv").write_bytes(data)
    done = streetbump("classify", good[0], "bad.csv", good[1], "--rate-hz", "50", cwd=here)
    assert done.returncode == 1
    assert f"refused bad.csv: {reason}: " in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == good


@pytest.mark.parametrize("values", [[9.8, 9.8], [9.8, 12.0], [0.0, 0.0, 1.0]], ids=str)
def test_two_samples_are_a_series(here, values):
    """The shortest series has a row like any other: mirrored, it fills its window."""
    table = classified(here, write(here / "a.csv", np.array(values)), "--rate-hz", "50")
    assert len(table) == 1
    assert table[list(P_COLUMNS)].to_numpy().sum() == pytest.approx(1.0, abs=1e-3)


def test_bare_series_have_a_prior_of_their_own(here):
    """Printed probabilities are those of the model with the classes never recorded at a quarter."""
    row = classified(here, write(here / "a.csv", jolt()), "--rate-hz", "50")
    trip = bare_trip(np.round(jolt(), 5)[:, None], rate_hz=50.0)
    settings = shipped_settings().detect
    clip = clip_of(trip, trip_id="", label=JoltClass.UNSURE, settings=settings)
    p = class_probabilities(clip.window_ms2, rate_hz=clip.rate_hz, model=load_model())
    assert row[list(P_COLUMNS)].to_numpy() == pytest.approx(under_prior(p, BARE_PRIOR), abs=1e-4)


def test_the_rate_must_be_said(here):
    """Without --rate-hz nothing is guessed; a rate that is none is a usage error."""
    name = write(here / "a.csv", jolt())
    assert streetbump("classify", name, cwd=here).returncode == 2
    assert streetbump("classify", name, "--rate-hz", "0", cwd=here).returncode == 2


@real
def test_recorded_clips_are_told_apart(here):
    """Of the recordings it was trained on, nine in ten get their class: the numbers are wired."""
    folders = {"potholes": "pothole", "asphalt_bumps": "hump", "regular_road": "smooth"}
    files = [
        (f, c)
        for k, c in folders.items()
        for f in sorted((Path(str(DATA)) / "gonzalez_2017" / k).glob("*"))
    ]
    table = classified(here, *(str(f) for f, _ in files), "--rate-hz", "50")
    p = table[list(P_COLUMNS)].to_numpy()
    names = np.array([c.value for c in CLASSES])[p.argmax(axis=1)]
    assert (names == np.array([c for _, c in files])).mean() > 0.85
