"""GPX beside a recording of acceleration: points by time, speed from extensions, no DTD."""

from __future__ import annotations

import re

import pytest

from streetbump.model import UNKNOWN, Reason

from .kit import FORMATS, plain_csv, refusal_of, trip_in

GPX = (FORMATS / "track.gpx").read_text("utf-8")
DRIVE = plain_csv(seconds=10)
START_NS = 1_700_000_000 * 10**9


def test_by_hand() -> None:
    """Track points with a time are the fixes; offsets count; a way point is none.

    22:13:20.005 UTC and 00:13:20.025 two hours ahead are 5 and 25 ms after the drive's start.
    """
    trip = trip_in(DRIVE, gps=GPX.encode())
    assert (trip.fix_t_ns - START_NS).tolist() == [5_000_000, 25_000_000]
    assert trip.lat_e7.tolist() == [120_000_001, 120_000_003]
    assert trip.lon_e7.tolist() == [-1_502_500_000] * 2
    assert trip.speed_mms.tolist() == [UNKNOWN, 12_500]
    assert trip.heading_cdeg.tolist() == [UNKNOWN, 9050]
    assert not trip.synthetic


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: "\ufeff" + s.replace("\n", "\r\n"), id="mark, CRLF"),
        pytest.param(lambda s: s.split("?>", 1)[1], id="no declaration"),
        pytest.param(
            lambda s: re.sub(r"<(/?)(?=[a-z]+\b(?!:))", r"<\1ns0:", s).replace(
                "xmlns=", "xmlns:ns0="
            ),
            id="prefixes",
        ),
        pytest.param(
            lambda s: s.replace("gpxtpx:", "").replace("TrackPointExtension>", "x>"), id="GPX 1.0"
        ),
        pytest.param(lambda s: s.replace("<ele>", "<hdop>1</hdop><ele>"), id="more elements"),
        pytest.param(lambda s: s.replace("<ele>", f"<!--{'x' * 250_000}--><ele>"), id="a comment"),
        pytest.param(lambda s: s.replace("<ele>", f"<desc>{'x' * 999_999}</desc><ele>"), id="text"),
    ],
)
def test_the_same_track_otherwise_written(change: object) -> None:
    """Line ends, namespaces and elements that nobody asked for change nothing."""
    data = change(GPX).encode()  # type: ignore[operator]
    assert trip_in(DRIVE, gps=data).trip_id == trip_in(DRIVE, gps=GPX.encode()).trip_id


def test_a_local_clock_needs_a_zone() -> None:
    """Times without an offset are local: with ``--tz`` they are those of the track."""
    local = GPX.replace("+02:00", "").replace(":20.005Z", ":20.005").replace(
        "14T22:13:20.005", "15T00:13:20.005"
    )  # fmt: skip
    got = trip_in(DRIVE, gps=local.encode(), tz="Europe/Tallinn")
    assert got.fix_t_ns.tolist() == trip_in(DRIVE, gps=GPX.encode()).fix_t_ns.tolist()
    assert refusal_of(DRIVE, gps=local.encode()).reason is Reason.TIME_UNIT


def test_the_mark_in_the_creator_makes_the_trip_synthetic() -> None:
    """Positions that say they are made up make the trip so."""
    assert trip_in(
        DRIVE, gps=GPX.replace("typed by hand", "streetbump-synthetic").encode()
    ).synthetic


ENTITY = '<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "aaaa">]><gpx>&a;</gpx>'
BARE = '<?xml version="1.0"?><!DOCTYPE gpx SYSTEM "file:///etc/passwd"><gpx></gpx>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(ENTITY, Reason.XML_HOSTILE, id="entity"),
        pytest.param(BARE, Reason.XML_HOSTILE, id="document type"),
        pytest.param("<gpx>" + "<a>" * 100_000, Reason.XML_HOSTILE, id="depth"),
        pytest.param(f'<gpx creator="{"x" * 400_000}">', Reason.XML_HOSTILE, id="tag"),
        pytest.param(f"<gpx><!--{'x' * 400_000}--></gpx>", Reason.XML_HOSTILE, id="comment"),
        pytest.param("<gpx>" + "<trkpt/>" * 500_001, Reason.ROW_LIMIT, id="points"),
        pytest.param(GPX[:-20], Reason.UNREADABLE, id="cut off"),
        pytest.param("<gpx><trk></gpx>", Reason.UNREADABLE, id="not well-formed"),
        pytest.param("<gpx></gpx>", Reason.NO_FIX, id="empty"),
        pytest.param(GPX.replace("time>", "at>"), Reason.SCHEMA, id="no times"),
        pytest.param(GPX.replace('lat="12', 'lat="120'), Reason.COORD_RANGE, id="off the Earth"),
        pytest.param(GPX.replace('lat="12', 'lat="1_2'), Reason.NO_FIX, id="no number"),
    ],
)
def test_a_track_that_cannot_be_used_has_its_reason(data: str, reason: Reason) -> None:
    """Hostile, endless, broken, empty, undated, off the Earth, no numbers."""
    assert refusal_of(DRIVE, gps=data.encode()).reason is reason


def test_alone_it_is_no_trip() -> None:
    """A track has positions only: acceleration is needed too."""
    no = refusal_of(GPX)
    assert no.reason is Reason.NO_ACCEL
    assert "--gps" in no.hint
