"""A place lives by its passes: present, gone, back; and by what its city says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streetbump.cluster.life import Filed, Presence, Votes, lived, presence
from streetbump.cluster.places import Place
from streetbump.model import JoltClass, PlaceState

from .kit import DAY_NS, SETTINGS

LIFE, FLAG = SETTINGS.life, SETTINGS.flag
HOLE = Place("P-1", JoltClass.POTHOLE, 12.0, -150.0, PlaceState.FLAGGED, 1, "", ())


def votes(hits: str, *, voters: int = 6) -> Votes:
    """One vote a day by so many devices in turn: ``x`` jolted, ``.`` did not."""
    n = len(hits)
    day = np.arange(n)
    hit = np.array([mark == "x" for mark in hits], float)
    return Votes((day + 1) * DAY_NS, day, day % voters, hit, np.ones(n))


CLOSED = Filed(6 * DAY_NS + 1)
"""Closed after the sixth vote."""


def look(hits: str, *, closed_ns: int | None = None, voters: int = 6) -> Presence:
    return presence(votes(hits, voters=voters), closed_ns=closed_ns, settings=LIFE)


def after(
    hits: str,
    state: PlaceState,
    *,
    filed: Filed | None = None,
    voters: int = 6,
) -> Place:
    seen = look(hits, closed_ns=filed.closed_ns if filed else None, voters=voters)
    return lived(replace(HOLE, state=state), seen, filed, life=LIFE, flag=FLAG)


@pytest.mark.parametrize(
    ("hits", "state", "filed", "expected", "episode"),
    [
        ("xxxxxx" + "." * 16, PlaceState.FLAGGED, None, PlaceState.FADED, 1),
        ("xxxxxx" + "." * 16, PlaceState.REPORTED, Filed(), PlaceState.REPAIR_SEEN, 1),
        ("xxxxxx....", PlaceState.CLOSED_CLAIMED, CLOSED, PlaceState.REPAIR_SEEN, 1),
        ("xxxxxxxxxx", PlaceState.CLOSED_CLAIMED, CLOSED, PlaceState.STILL_THERE, 2),
        # closed, and one car since: nobody knows
        ("xxxxxx.", PlaceState.CLOSED_CLAIMED, CLOSED, PlaceState.CLOSED_CLAIMED, 1),
        # a patch that did not hold
        ("xxxxxx" + "." * 16 + "xxxxxxxx", PlaceState.REPAIR_SEEN, CLOSED,
         PlaceState.STILL_THERE, 2),
        ("xxxxxx" + "." * 16 + "xxxxxxxx", PlaceState.REPAIR_SEEN, Filed(), PlaceState.REPORTED, 1),
        ("xxxxxx" + "." * 16 + "xxxxxxxx", PlaceState.FADED, None, PlaceState.FLAGGED, 1),
        ("xxxxxx", PlaceState.FLAGGED, None, PlaceState.FLAGGED, 1),
        # a person has spoken
        ("xxxxxx" + "." * 16, PlaceState.REJECTED, None, PlaceState.REJECTED, 1),
        ("xxxxxx" + "." * 16, PlaceState.HELD, None, PlaceState.HELD, 1),
    ],
)  # fmt: skip
def test_passes_and_the_city_make_the_state(
    hits: str, state: PlaceState, filed: Filed | None, expected: PlaceState, episode: int
) -> None:
    """Clean passes show a repair, jolts after a closing show that there was none."""
    now = after(hits, state, filed=filed)
    assert (now.state, now.episode) == (expected, episode)
    assert (now.why != "") == (expected is not state)


def test_closed_is_not_repaired() -> None:
    """Without a pass since the city closed it, a place stays closed by claim."""
    now = after("xxxxxx", PlaceState.CLOSED_CLAIMED, filed=CLOSED)
    assert now.state is PlaceState.CLOSED_CLAIMED


def test_two_cars_see_no_repair() -> None:
    """A repair, like a defect, needs three devices, however often two drive past."""
    clean = "xxxxxx" + "." * 40
    assert after(clean, PlaceState.REPORTED, filed=Filed(), voters=2).state is PlaceState.REPORTED


def test_nothing_fades_by_age() -> None:
    """A year without a pass leaves everything as it was: only votes move the filter."""
    given = votes("xxxxxx")
    later = Votes(given.t_ns - 365 * DAY_NS, given.day - 365, given.voter, given.hit, given.weight)
    assert presence(given, closed_ns=None, settings=LIFE).p == pytest.approx(
        presence(later, closed_ns=None, settings=LIFE).p, abs=1e-12
    )


def test_a_stray_jolt_is_no_defect() -> None:
    """One jolt among clean passes after a repair does not bring the defect back."""
    seen = look("xxxxxx" + "." * 12 + "x" + "....")
    assert seen.p < 0.05


def test_a_hole_that_few_hit_needs_more_clean_passes() -> None:
    """Where one car in five jolts, ten clean passes prove little; sixty do."""
    seldom = "x...." * 12
    assert look(seldom + "." * 10).p > 0.05
    assert look(seldom + "." * 60).p < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_votes_does_not_show(seed: int) -> None:
    """A late trip re-folds: votes in any order say the same, to the last bit."""
    given = votes("xx.xx...x....xxx")
    order = np.random.default_rng(seed).permutation(len(given.t_ns))
    shuffled = Votes(*(getattr(given, name)[order] for name in Votes.__dataclass_fields__))
    one, other = (presence(v, closed_ns=None, settings=LIFE) for v in (given, shuffled))
    assert one == other


def test_smooth_devices_delay_a_defect_at_most_twice() -> None:
    """With 30 % of the devices never jolting, "still there" takes at most twice the votes."""

    def needed(hits: str) -> int:
        for n in range(1, len(hits) + 1):
            now = after("xxxxxx" + hits[:n], PlaceState.CLOSED_CLAIMED, filed=CLOSED)
            if now.state is PlaceState.STILL_THERE:
                return n
        raise AssertionError("never")

    honest, mixed = needed("x" * 30), needed("xx.xx.xxx." * 3)
    assert mixed <= 2 * honest


def test_one_device_that_drives_by_daily_counts_less() -> None:
    """Votes of one voter within a week share their weight: others are worth more."""
    n = 20
    one = look("xxxxxx" + "." * n, voters=1)
    many = look("xxxxxx" + "." * n, voters=20)
    assert many.p < one.p


def test_no_vote_at_all_says_nothing() -> None:
    """Without votes the prior stands, and nobody agrees with it."""
    seen = look("")
    assert seen == Presence(LIFE.present_first, None, 0, 0)
