"""What the simulator writes in any logger's format is read back, in every dialect of it."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import re
import sys
import types
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from streetbump.model import UNKNOWN, Gravity, Reason, TimeBasis, Trip
from streetbump.simulate.writers import RUNS_ON, WRITERS, About, write
from streetbump.trips import sniff
from streetbump.trips.bundle import packed
from streetbump.trips.door import pseudonym

from .kit import FORMATS, KEY, refusal_of, trip_in

G = 9.80665
T0_S = 1_700_000_000
ZONE, DATE = "America/Sao_Paulo", datetime.date(2023, 11, 14)
"""1,700,000,000 s is 19:13:20 on 14 November 2023 in São Paulo (UTC-3)."""
OWN = ("plain-csv", "jsonl", "parquet")
HELD = ("physics-toolbox", "physics-toolbox-comma", "androsensor")
"""Loggers that write the last position on every row: a fix gets the time of the next sample."""
Change = Callable[[bytes], bytes]


@dataclass(frozen=True, eq=False)
class Fixes:
    t_s: np.ndarray
    lat_deg: np.ndarray
    lon_deg: np.ndarray
    speed_ms: np.ndarray
    heading_deg: np.ndarray
    accuracy_m: np.ndarray


@dataclass(frozen=True, eq=False)
class Recorded:
    t_s: np.ndarray
    acc_ms2: np.ndarray
    gravity_ms2: np.ndarray
    fixes: Fixes


def drive(*, rate_hz: float = 50.0, length_s: float = 20.0, fixed: bool = True) -> Recorded:
    """Over rough ground due north, the phone turning slowly; a fix a second between samples."""
    rng = np.random.default_rng(7)
    n, m = round(rate_hz * length_s), round(length_s) * fixed
    t = np.arange(n) / rate_hz + rng.uniform(0.0, 0.2 / rate_hz, n)
    lean = 0.05 * np.sin(t / 3)
    gravity = G * np.column_stack((np.sin(lean), np.zeros(n), np.cos(lean)))
    at = np.arange(m) + 0.4137
    fixes = Fixes(
        at, 12.0 + at * 15.0 / 111_195.0, np.full(m, -150.25), np.full(m, 15.0),
        np.where(at < 3, np.nan, 359.5), np.full(m, 5.0),
    )  # fmt: skip
    return Recorded(t, gravity + rng.normal(0.0, 1.0, (n, 3)), gravity, fixes)


def made(logger: str, platform: str, trip: Recorded | None = None) -> bytes:
    """The file of the drive."""
    about = About("phone 7", float(T0_S), platform, ZONE)
    return write(trip or drive(), about=about, logger=logger)


def back(data: bytes) -> Trip:
    """The only trip in a file, with what a caller may add."""
    return trip_in(data, tz=ZONE, date=DATE, local=True)


def check(trip: Trip, real: Recorded, *, logger: str) -> None:
    """Time to 1 ms, acceleration to 1e-3 m/s², position to 1e-6°, and the mark."""
    assert trip.synthetic
    assert (trip.t_ns / 1e9 - T0_S) == pytest.approx(real.t_s, abs=1.001e-3)
    assert trip.acc * 1e-4 == pytest.approx(real.acc_ms2, abs=1e-3)
    assert trip.lat_e7 * 1e-7 == pytest.approx(real.fixes.lat_deg, abs=1e-6)
    assert trip.lon_e7 * 1e-7 == pytest.approx(real.fixes.lon_deg, abs=1e-6)
    assert trip.speed_mms / 1000 == pytest.approx(real.fixes.speed_ms, abs=0.028)
    if logger not in HELD:
        assert trip.fix_t_ns / 1e9 - T0_S == pytest.approx(real.fixes.t_s, abs=1.001e-3)
        said = np.isfinite(real.fixes.heading_deg)
        assert trip.heading_cdeg[said].tolist() == [35950] * int(said.sum())
        assert trip.heading_cdeg[~said].tolist() == [UNKNOWN] * int((~said).sum())


CASES = [(logger, platform) for logger in WRITERS for platform in sorted(RUNS_ON[logger])]


@pytest.mark.parametrize("rate_hz", [20.0, 100.0])
@pytest.mark.parametrize(("logger", "platform"), CASES)
def test_what_is_written_is_read_back(logger: str, platform: str, rate_hz: float) -> None:
    """Every logger on every platform; nothing needed repair, and the phone's name is there."""
    real = drive(rate_hz=rate_hz)
    trip = back(made(logger, platform, real))
    check(trip, real, logger=logger)
    assert trip.format == logger.removesuffix("-comma")
    assert trip.gravity is Gravity.KEPT
    assert trip.warnings == ()
    names = (*OWN, "sensor-logger", "phyphox")
    assert trip.device == (pseudonym("phone 7", key=KEY) if logger in names else None)


@pytest.mark.parametrize(("logger", "platform"), CASES)
def test_gzip_around_any_format_changes_nothing(logger: str, platform: str) -> None:
    """A packed file is the same trip."""
    if logger in ("sensor-logger", "phyphox"):  # an archive within an archive is refused
        assert refusal_of(gzip.compress(made(logger, platform))).reason is Reason.ARCHIVE_NESTED
        return
    data = made(logger, platform)
    assert back(gzip.compress(data)).trip_id == back(data).trip_id


@pytest.mark.parametrize(("logger", "platform"), CASES)
def test_without_fixes_it_is_a_trip_without_fixes(logger: str, platform: str) -> None:
    """A phone that never found its place still felt the road."""
    real = drive(fixed=False)
    trip = back(made(logger, platform, real))
    check(trip, real, logger=logger)
    assert len(trip.fix_t_ns) == 0


# ------------------------------------------------------------------ tables written otherwise


def members_in(data: bytes) -> dict[str, bytes]:
    """The members of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {name: z.read(name) for name in z.namelist()}


def in_tables(data: bytes, change: Change) -> bytes:
    """The file with each of its tables changed."""
    if not data.startswith(b"PK"):
        return change(data)
    return packed({
        name: change(table) if name.endswith(".csv") else table
        for name, table in members_in(data).items()
    })  # fmt: skip


def rewritten(data: bytes, change: Callable[[list[list[str]]], list[list[str]]]) -> bytes:
    """A table with the cells of its named columns changed; lines above the header stay."""
    lines = data.decode().splitlines()
    top = [line for line in lines[:4] if line.startswith(("#", "sep="))]
    cut = max(",;|", key=re.sub('"[^"]*"', "", lines[len(top)]).count)
    rows = list(csv.reader(lines[len(top) :], delimiter=cut))
    trailing = not rows[0][-1]
    rows = change([row[:-1] if trailing else row for row in rows])
    out = io.StringIO()
    csv.writer(out, delimiter=cut, lineterminator="\n").writerows(
        [*row, ""] if trailing else row for row in rows
    )
    return "\n".join([*top, out.getvalue()]).encode()


def shuffled(data: bytes) -> bytes:
    """Columns in another order."""

    def change(rows: list[list[str]]) -> list[list[str]]:
        order = np.random.default_rng(3).permutation(len(rows[0])).tolist()
        return [[row[i] for i in order] for row in rows]

    return rewritten(data, change)


def widened(data: bytes) -> bytes:
    """Unknown columns first, in the middle and last."""

    def change(rows: list[list[str]]) -> list[list[str]]:
        middle = len(rows[0]) // 2
        return [
            [*first, *row[:middle], *more, *row[middle:], *last]
            for k, row in enumerate(rows)
            for first, more, last in [
                (["odd"], ["notes"], ["odd too"]) if k == 0 else (["7"], ["a b"], [""])
            ]
        ]

    return rewritten(data, change)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(shuffled, id="columns in another order"),
        pytest.param(lambda d: shuffled(shuffled(d)), id="and another"),
        pytest.param(widened, id="unknown columns"),
        pytest.param(lambda d: d.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda d: b"\xef\xbb\xbf" + d, id="byte order mark"),
    ],
)
@pytest.mark.parametrize(
    ("logger", "platform"), [case for case in CASES if case[0] not in ("jsonl", "parquet")]
)
def test_how_a_table_is_laid_out_changes_nothing(
    logger: str, platform: str, change: Change
) -> None:
    """Columns are found by their names, never by their place."""
    data = made(logger, platform)
    other = back(in_tables(data, change))
    assert (other.trip_id, other.device) == (back(data).trip_id, back(data).device)
    assert other.synthetic


# ------------------------------------------------------------------ options of the apps


def negated(data: bytes) -> bytes:
    """A table of Sensor Logger with the other sign."""

    def change(rows: list[list[str]]) -> list[list[str]]:
        at = [rows[0].index(axis) for axis in "xyz"]
        return [rows[0]] + [
            [repr(-float(c)) if i in at else c for i, c in enumerate(row)] for row in rows[1:]
        ]

    return rewritten(data, change)


AXES = ("Accelerometer.csv", "Gravity.csv", "TotalAcceleration.csv")


@pytest.mark.parametrize("platform", ["android", "ios"])
@pytest.mark.parametrize("standard", [True, False])
@pytest.mark.parametrize("total", [True, False])
def test_sensor_logger_with_each_option(platform: str, standard: bool, total: bool) -> None:
    """Standardised or not, with and without the total: the same drive on both platforms."""
    real = drive()
    members = members_in(made("sensor-logger", platform, real))
    if standard:
        members["Metadata.csv"] = members["Metadata.csv"].replace(b",false,", b",true,")
        if platform == "ios":
            members |= {n: negated(members[n]) for n in AXES if n in members}
    if not total:
        members.pop("TotalAcceleration.csv", None)
    check(back(packed(members)), real, logger="sensor-logger")


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_sensor_logger_with_gravity_at_another_rate(platform: str) -> None:
    """Every third reading of gravity is enough: it turns slowly, and is interpolated."""
    real = drive()
    members = members_in(made("sensor-logger", platform, real))
    members.pop("TotalAcceleration.csv", None)
    members["Gravity.csv"] = rewritten(
        members["Gravity.csv"], lambda rows: [rows[0], *rows[1::3], rows[-1]]
    )
    trip = back(packed(members))
    check(trip, real, logger="sensor-logger")
    assert trip.warnings == ("gravity added to the acceleration, interpolated in time",)


def test_sensor_logger_without_gravity_is_the_linear_stream() -> None:
    """Where nobody recorded gravity the trip says that it was removed."""
    real = drive()
    members = members_in(made("sensor-logger", "ios", real))
    del members["Gravity.csv"]
    trip = back(packed(members))
    check(trip, replace(real, acc_ms2=real.acc_ms2 - real.gravity_ms2), logger="sensor-logger")
    assert trip.gravity is Gravity.REMOVED


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_sensor_logger_as_json_is_the_trip_of_the_zip(platform: str) -> None:
    """The array export with every value as a text, its first object the metadata."""
    members = members_in(made("sensor-logger", platform))
    objects = []
    for name in ("Metadata.csv", *AXES, "Location.csv"):
        if name in members:
            rows = csv.DictReader(io.StringIO(members[name].decode()))
            objects += [{"sensor": name.removesuffix(".csv"), **row} for row in rows]
    zipped, export = back(packed(members)), back(json.dumps(objects).encode())
    assert (export.trip_id, export.device, export.synthetic, export.warnings) == (
        zipped.trip_id, zipped.device, True, (),
    )  # fmt: skip


def test_sensorlog_repeats_rows_and_drops_them() -> None:
    """Each row twice, 3 ms later on the wall: the same samples, and a warning."""
    data = made("sensorlog-ios", "ios")

    def twice(rows: list[list[str]]) -> list[list[str]]:
        return [rows[0], *(row for row in rows[1:] for _ in range(2))]

    trip = back(rewritten(data, twice))
    assert trip.trip_id == back(data).trip_id
    assert trip.warnings == ("1000 of 2000 rows repeated the reading before them and were dropped",)


# ------------------------------------------------------------------ without acceleration


def kept_columns(data: bytes, gone: str) -> bytes:
    """A table without the columns whose names match."""

    def change(rows: list[list[str]]) -> list[list[str]]:
        keep = [i for i, n in enumerate(rows[0]) if not re.match(gone, n, flags=re.IGNORECASE)]
        return [[row[i] for i in keep] for row in rows]

    return rewritten(data, change)


@pytest.mark.parametrize(
    ("logger", "platform"), [case for case in CASES if case[0] not in ("jsonl", "parquet")]
)
def test_without_acceleration_it_is_refused(logger: str, platform: str) -> None:
    """Positions alone: NO_ACCEL, whatever the format."""
    data = made(logger, platform)
    if data.startswith(b"PK"):
        members = members_in(data)
        kept = {n: d for n, d in members.items() if n not in AXES}
        assert refusal_of(packed(kept)).reason is Reason.NO_ACCEL
    else:
        acc = r"a[xyz]$|gF|accel|gravity|user_acc|motion"
        assert refusal_of(kept_columns(data, acc), tz=ZONE).reason is Reason.NO_ACCEL


# ------------------------------------------------------------------ typed by hand


@pytest.mark.parametrize("name", ["physics-toolbox.csv", "physics-toolbox-semicolon.csv"])
def test_physics_toolbox_by_hand(name: str) -> None:
    """Both dialects are one trip: g with gravity, decimal commas, a clock without a date.

    1, 1.1, 0.9, 1 g on z are 9.80665, 10.787315, 8.825985, 9.80665 m/s²; 0.1 g is 0.980665.
    0, 0 is no fix; the fixes are those of 10 and 30 ms. The header in mid-file drops out.
    """
    data = (FORMATS / name).read_bytes()
    trip = trip_in(data, tz="UTC", date=DATE)
    assert (trip.t_ns // 10**6 - T0_S * 1000).tolist() == [0, 10, 20, 30, 40, 50]
    assert trip.acc[:4] * 1e-4 == pytest.approx(
        G * np.array([[0, 0.1, 1], [0.1, 0, 1.1], [0, 0, 0.9], [0, -0.2, 1]]), abs=1e-4
    )
    assert trip.lat_e7.tolist() == [120_000_001, 120_000_002]
    assert (trip.fix_t_ns // 10**6 - T0_S * 1000).tolist() == [10, 30]
    assert trip.speed_mms.tolist() == [0, 12_500]
    assert trip.format == "physics-toolbox"


def test_physics_toolbox_in_ms2_by_hand() -> None:
    """``ax, ay, az`` are m/s² as they stand; seconds count from a start."""
    trip = trip_in((FORMATS / "physics-toolbox-ms2.csv").read_bytes())
    assert trip.t_ns.tolist() == [0, 10_000_000, 20_000_000]
    assert trip.acc.tolist() == [[1000, 0, -2000], [0, 3000, 0], [-1000, 0, 2000]]
    assert (trip.gravity, trip.time_basis) == (Gravity.REMOVED, TimeBasis.RELATIVE)


def test_a_wide_table_of_physics_toolbox_is_read_with_gravity() -> None:
    """With both units ticked g is the raw sensor; the speed is in the unit that its name states."""
    head = "time,gFx,gFy,gFz,ax,ay,az,wx,wy,wz,Latitude,Longitude,Speed (km/h)\n"
    rows = "".join(f"{k / 100},0,0.{k},1,0,{k},0,0,0,0,12.0{k},-150,36\n" for k in range(1, 6))
    trip = trip_in(head + rows)
    assert trip.acc[0] * 1e-4 == pytest.approx([0, 0.980665, 9.80665], abs=1e-4)
    assert trip.speed_mms[0] == 10_000
    assert refusal_of((head + rows).replace("km/h", "furlongs")).reason is Reason.UNIT


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_androsensor_by_hand(encoding: str) -> None:
    """km/h, a ``sep=`` line, both clocks; 45 km/h are 12.5 m/s, 36 are 10.

    Wall minus ms clock is 0, 0, 3, 0 ms past 22:13:20: the median 0 puts 18 ms at …20.018.
    """
    data = (FORMATS / "androsensor.csv").read_text("utf-8").encode(encoding)
    trip = trip_in(data, tz="UTC")
    assert (trip.t_ns // 10**6 - T0_S * 1000).tolist() == [18, 28, 38, 48]
    assert trip.acc[0].tolist() == [3000, -3000, 96500]
    assert trip.speed_mms.tolist() == [12_500, 10_000]
    assert trip.heading_cdeg.tolist() == [9050, 9050]
    assert trip.accuracy_mm.tolist() == [5000, 8000]
    assert trip.lat_e7.tolist() == [120_000_001, 120_000_002]
    said = ("text was in the Windows code page 1252",) * (encoding == "cp1252")
    assert trip.warnings == said


def test_the_reader_of_the_documentation_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page on adding a reader shows one that reads: 1 g down on iOS is +9.80665 m/s²."""
    page = (FORMATS.parents[1] / "docs" / "formats.md").read_text("utf-8")
    (code,) = re.findall(r"A whole reader.*?```python\n(.*?)```", page, flags=re.DOTALL)
    module = types.ModuleType("our_app")
    exec(code, module.__dict__)  # noqa: S102  (our own page)
    monkeypatch.setitem(sys.modules, "our_app", module)
    monkeypatch.setattr(sniff, "READERS", {"our-app": "our_app", **sniff.READERS})
    rows = "".join(f"{T0_S}0{k}0;0;0,{k};-1;12,0;-150\n" for k in range(5))
    trip = trip_in("when_ms;accX;accY;accZ;lat;lon\n" + rows)
    assert trip.format == "our-app"
    assert trip.acc[0] * 1e-4 == pytest.approx([0, 0, G], abs=1e-4)
    assert np.diff(trip.t_ns).tolist() == [10_000_000] * 4
