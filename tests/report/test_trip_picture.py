"""One trip in words and as a picture: figures are the detector's, and a panel never lies blank."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streetbump.config import shipped_settings
from streetbump.detect.classify import load_model
from streetbump.errors import MissingExtra
from streetbump.model import P_COLUMNS, Trip
from streetbump.report.trip_story import GAP, STANDING, TURNED, Story, facts, story_of, title
from streetbump.trips import ReadOptions, read

FIXTURES = Path(__file__).parents[2] / "fixtures" / "trips"
SETTINGS = shipped_settings()
ADA, BEN = "ada-2026-03-03-1502.csv", "ben-2026-03-05-1720.csv"


@cache
def trip_of(name: str) -> Trip:
    (trip,) = read((FIXTURES / name).read_bytes(), name=name, options=ReadOptions(), pseudonym=str)
    assert isinstance(trip, Trip)
    return trip


def told(trip: Trip, name: str = ADA) -> Story:
    return story_of(trip, name=name, settings=SETTINGS, model=load_model())


@cache
def ada() -> Story:
    return told(trip_of(ADA))


def without_fixes(trip: Trip) -> Trip:
    names = ("fix_t_ns", "lat_e7", "lon_e7", "speed_mms", "heading_cdeg", "accuracy_mm")
    return replace(trip, **{name: getattr(trip, name)[:0] for name in names})


def of_one_sample(trip: Trip) -> Trip:
    return replace(trip, t_ns=trip.t_ns[:1], acc=trip.acc[:1])


def quiet(trip: Trip) -> Trip:
    return replace(trip, acc=np.tile(np.array([0, 0, 98_000], np.int32), (len(trip.acc), 1)))


def spans(story: Story, reason: str) -> list[tuple[float, float]]:
    mine = story.lost[story.lost["reason"] == reason]
    return list(zip(mine["start_s"], mine["stop_s"], strict=True))


# ------------------------------------------------------------------------------- what was lost


def test_what_is_not_lost_was_heard() -> None:
    """Spans that are lost and moments that are heard make up the trip."""
    story = ada()
    lost_s = float((story.lost["stop_s"] - story.lost["start_s"]).sum())
    heard_s = story.heard.heard.sum() / story.heard.signal.rate_hz
    assert lost_s + heard_s == pytest.approx(np.ptp(story.trip.t_ns) * 1e-9, abs=0.2)
    assert lost_s > 1


def test_the_reason_is_named() -> None:
    """Half a minute without samples is a gap; a phone laid on its side was turned; a stop stays."""
    trip = trip_of(ADA)
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    side = np.where(((t_s > 60) & (t_s < 75))[:, None], trip.acc[:, [2, 0, 1]], trip.acc)
    keep = (t_s < 100) | (t_s > 130)
    story = told(replace(trip, t_ns=trip.t_ns[keep], acc=side[keep]))
    ((start, stop),) = spans(story, GAP)
    assert (start, stop) == (pytest.approx(100, abs=1.5), pytest.approx(130, abs=1.5))
    turned = spans(story, TURNED)
    assert any(a <= 60 <= b for a, b in turned)
    assert any(a <= 75 <= b for a, b in turned)
    assert all(b < 80 for _, b in turned)
    assert spans(story, STANDING)[0] == pytest.approx(spans(ada(), STANDING)[0], abs=0.3)
    assert "gap 0.5" in facts(story)["not_heard"]
    assert "phone turned 0." in facts(story)["not_heard"]


def test_a_phone_too_slow_says_so() -> None:
    """A phone of 2 Hz hears nothing, for that reason, all along."""
    trip = trip_of(ADA)
    story = told(replace(trip, t_ns=trip.t_ns[::12], acc=trip.acc[::12]))
    assert set(story.lost["reason"]) == {"phone too slow"}
    assert facts(story)["noise"] == "nothing was heard"


# ------------------------------------------------------------------------------- words


def test_the_title_says_what_it_is() -> None:
    """File, trip, rate, gravity, settings; that they were changed; that the trip is synthetic."""
    trip, story = trip_of(ADA), ada()
    for word in (ADA, trip.trip_id[:8], "25 Hz", "gravity kept", "settings", "SYNTHETIC"):
        assert word in title(story)
    assert trip.trip_id not in title(story)
    assert "/" not in title(replace(story, name=told(trip, f"some/where/{ADA}").name))
    assert "SYNTHETIC" not in title(replace(story, trip=replace(trip, synthetic=False)))
    other = replace(story, settings=_other_settings())
    assert f"settings {SETTINGS.version}, changed" in title(other)
    assert "changed" not in title(story)


def _other_settings() -> Any:
    from streetbump.config import parse_settings

    return parse_settings("[detect]\nreport_score = 5.0", where="test")


@pytest.mark.parametrize("change", [without_fixes, of_one_sample, quiet])
def test_a_trip_with_little_in_it_has_a_story(change: Callable[[Trip], Trip]) -> None:
    """No fix, one sample, no jolt: every fact has words, and the tables fit each other."""
    story = told(change(trip_of(ADA)))
    assert all(isinstance(value, str) for value in facts(story).values())
    assert len(story.jolts) == len(story.windows)
    assert (len(story.jolts) > 0) == (change is without_fixes)


# ------------------------------------------------------------------------------- pictures


@cache
def drawn(story: Story, kind: str = "png") -> bytes:
    pytest.importorskip("matplotlib")
    from streetbump.report.trip_picture import picture

    return picture(story, kind=kind)


def pixels(png: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(png)))[:, :, :3]


def panels(story: Story) -> dict[str, np.ndarray]:
    """The pixels inside each panel of a picture; of zooms the first."""
    from streetbump.report.trip_picture import figure_of

    image = pixels(drawn(story))
    figure = figure_of(story)
    figure.canvas.draw()
    found: dict[str, np.ndarray] = {}
    for axes in figure.findobj(lambda a: hasattr(a, "get_xlim"))[::-1]:
        box = axes.get_window_extent().transformed(figure.transFigure.inverted())
        x0, x1 = (np.array([box.x0, box.x1]) * image.shape[1]).astype(int)
        y0, y1 = ((1 - np.array([box.y1, box.y0])) * image.shape[0]).astype(int)
        found[axes.get_label()] = image[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3]
    return found


def ink(panel: np.ndarray) -> float:
    return float((panel < 0.99).any(axis=2).mean())


def words_in(story: Story) -> str:
    from streetbump.report.trip_picture import figure_of

    texts = figure_of(story).findobj(lambda a: hasattr(a, "get_text"))
    return "\n".join(text.get_text() for text in texts)


def test_every_panel_shows_the_trip() -> None:
    """The picture has its size, no panel is blank, and another trip gives other panels."""
    pytest.importorskip("matplotlib")
    from streetbump.report.trip_picture import DPI, HEIGHT_IN, WIDTH_IN

    mine, other = panels(ada()), panels(told(trip_of(BEN)))
    assert pixels(drawn(ada())).shape == (HEIGHT_IN * DPI, WIDTH_IN * DPI, 3)
    for name, least in {"signal": 0.05, "score": 0.05, "zoom": 0.01, "map": 0.003}.items():
        assert least < ink(mine[name]) < 0.9, name
        assert mine[name].shape != other[name].shape or (mine[name] != other[name]).any(), name


def test_the_same_trip_gives_the_same_bytes() -> None:
    """No date, no program's name, no random id: two pictures of a trip are one file."""
    from streetbump.report import trip_picture

    for kind, magic in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        assert drawn(ada(), kind).startswith(magic)
        assert trip_picture.picture(told(trip_of(ADA)), kind=kind) == drawn(ada(), kind)


def test_empty_panels_say_why() -> None:
    """Without fixes there is no map, with one sample no signal, without a jolt none to enlarge."""
    pytest.importorskip("matplotlib")
    for change, words in (
        (without_fixes, "no usable fix"),
        (of_one_sample, "fewer than two samples"),
        (quiet, "no jolt is reported"),
    ):
        story = told(change(trip_of(ADA)))
        assert words in words_in(story)
        assert words not in words_in(ada())
        assert drawn(story).startswith(b"\x89PNG")


def test_the_strongest_are_enlarged_with_what_is_known_of_them() -> None:
    """Each reported jolt has its panel with class, probability, time of day and speed."""
    pytest.importorskip("matplotlib")
    shown = ada().jolts[ada().jolts["reported"]]
    words = words_in(ada())
    for k, jolt in enumerate(shown.to_dict("records")):
        p = max(jolt[column] for column in P_COLUMNS)
        assert f"{k + 1}  {jolt['class']} {p:.2f}" in words
        assert f"{jolt['speed_ms'] * 3.6:.0f} km/h" in words
    assert f"\n{len(shown) + 1}  " not in words


def test_a_picture_shows_no_position() -> None:
    """The map is in metres: no text of it is a latitude or a longitude."""
    words = words_in(ada())
    assert "12.00" not in words
    assert "149.99" not in words


def test_a_strange_name_is_drawn() -> None:
    """Letters that no font has, formulas and long names neither warn nor fail."""
    name = "日本 $x^2$ \x07" + "n" * 90 + ".csv"
    assert "$x^2$" in words_in(told(trip_of(ADA), name))
    assert drawn(told(trip_of(ADA), name)) != drawn(ada())


def test_a_long_line_keeps_its_extremes() -> None:
    """A million points become a few thousand; peaks stay, and a gap stays a gap."""
    pytest.importorskip("matplotlib")
    from streetbump.report.trip_picture import envelope

    t_s = np.concatenate((np.arange(0, 50, 1e-3), np.arange(80, 100, 1e-3)))
    values = np.random.default_rng(3).normal(0, 1, len(t_s))
    values[12_345], values[60_000] = 40.0, -30.0
    thin_s, thin = envelope(t_s, values, columns=200)
    assert len(thin_s) == len(thin) == 400
    assert (np.nanmax(thin), np.nanmin(thin)) == (40.0, -30.0)
    assert thin_s[np.nanargmax(thin)] == pytest.approx(t_s[12_345], abs=0.5)
    assert np.isnan(thin[(thin_s > 51) & (thin_s < 79)]).all()
    assert np.isfinite(thin[(thin_s < 49) | (thin_s > 81)]).all()


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said in one sentence."""
    from streetbump.report.trip_picture import picture

    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match="streetbump\\[plot\\]"):
        picture(ada(), kind="png")
