"""What each detector hears in one trip: ours as it ships, and the classics at every threshold.

All are given the same vertical axis, are deaf at the same moments (gaps, the phone in a hand, the
car at a stand), and have their jolts placed by the same track.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.config import DetectSettings
from streetbump.detect import detect_in
from streetbump.detect.classics import CLASSICS, Classic, Given
from streetbump.detect.classify import JoltModel
from streetbump.detect.listen import listen
from streetbump.detect.locate import Track, locate
from streetbump.detect.roughness import levels, overall, ppe
from streetbump.detect.signal import Signal, moving_mean
from streetbump.model import STANDARD_GRAVITY_MS2, Floats, Gravity, TimeBasis, Trip
from streetbump.trips.canonical import REMOVED_BELOW_MS2, quantise_acc

LEVEL_BLOCK_S = 1.0
"""Length of the blocks whose level makes the mean square of a session, s. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Heard:
    """One trip, as every detector heard it; times in seconds from the file's first sample.

    Attributes
    ----------
    trip_id : str
        As the truth table calls it.
    bumps : DataFrame
        ``BUMPS``: every candidate of ours.
    peers : mapping
        Classic → times at each row of its grid.
    quoted : mapping
        Classic → times at its commonly quoted thresholds; only those that have any.
    driven : (k, 2) float64
        Spans in which a jolt could have been heard, s.
    km : float
        Length of the track, km; 0 without fixes.
    roughness_ms2, rms_ms2, spread_ms2, ppe_m2s4 : float
        Roughness: our index of the whole drive; beside it the root mean square of the level of
        vertical acceleration, the deviation of |a| with no orientation at all, and the mean of
        SmartRoadSense's PPE (NaN where there is no whole window).
    """

    trip_id: str
    track: Track
    origin_ns: int
    bumps: pd.DataFrame
    peers: Mapping[str, tuple[Floats, ...]]
    quoted: Mapping[str, Floats]
    driven: Floats
    km: float
    roughness_ms2: float
    rms_ms2: float
    spread_ms2: float
    ppe_m2s4: float

    @property
    def minutes(self) -> float:
        """How long a jolt could have been heard, min."""
        return float(np.diff(self.driven, axis=1).sum() / 60)

    def place(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Latitude and longitude at some times, degrees; NaN where unknown."""
        t_ns = self.origin_ns + np.rint(t_s * 1e9).astype(np.int64)
        at = locate(self.track, t_ns)
        return at.lat_deg, at.lon_deg


def hear(
    trip: Trip, *, trip_id: str, settings: DetectSettings, model: JoltModel, with_peers: bool = True
) -> Heard:
    """Run every detector over one untrimmed trip."""
    listening = listen(trip, settings=settings)
    signal, track = listening.gated, listening.track
    given = Given(signal, listening.speed_ms)
    peers = CLASSICS if with_peers else ()

    def times(peer: Classic, thresholds: Floats) -> tuple[Floats, ...]:
        return tuple((t_ns - trip.origin_ns) * 1e-9 for t_ns in peer.times(given, thresholds))

    found = levels(signal, heard=listening.heard, speed_ms=listening.speed_ms)
    windows = ppe(signal)
    size = np.linalg.norm(signal.axes_ms2[signal.usable], axis=1)
    return Heard(
        trip_id=trip_id,
        track=track,
        origin_ns=trip.origin_ns,
        bumps=detect_in(trip, listening, settings=settings, model=model).bumps,
        peers={peer.name: times(peer, peer.grid) for peer in peers},
        quoted={p.name: times(p, np.array([p.quoted]))[0] for p in peers if p.quoted},
        driven=_driven(signal, trip.origin_ns),
        km=_length_m(track) / 1000,
        roughness_ms2=overall(found),
        rms_ms2=_rms(signal),
        spread_ms2=float(size.std()) if len(size) else np.nan,
        ppe_m2s4=float(windows.mean()) if len(windows) else np.nan,
    )


def _driven(signal: Signal, origin_ns: int) -> Floats:
    """Spans of usable samples, (k, 2), s."""
    edge = np.flatnonzero(np.diff(np.concatenate(([False], signal.usable, [False])).astype(int)))
    t_s = (signal.t_ns - origin_ns) * 1e-9
    return np.column_stack((t_s[edge[::2]], t_s[edge[1::2] - 1]))


def _length_m(track: Track) -> float:
    leg_s = np.diff(track.t_ns) * 1e-9
    return float((track.pace_ms * leg_s)[track.joined].sum())


def _rms(signal: Signal) -> float:
    """Root mean square level of the vertical while driven, m/s²; NaN when never."""
    if not signal.usable.any():
        return np.nan
    block = max(1, round(LEVEL_BLOCK_S * signal.rate_hz))
    return float(np.sqrt(np.mean(moving_mean(signal.vertical_ms2**2, block)[signal.usable])))


def bare_trip(values_ms2: Floats, *, rate_hz: float) -> Trip:
    """A trip without clock and fixes from bare numbers.

    Parameters
    ----------
    values_ms2 : (n, 1) or (n, 3) float64
        Vertical acceleration, or three device axes (Android sign), m/s². Gravity is added to a
        vertical series that has none.

    >>> bare_trip(np.zeros((3, 1)), rate_hz=50.0).acc[0].tolist()
    [0, 0, 98066]
    """
    n, width = values_ms2.shape
    acc = np.zeros((n, 3))
    acc[:, 3 - width :] = values_ms2
    if width == 1 and n and abs(np.median(values_ms2)) < REMOVED_BELOW_MS2:
        acc[:, 2] += STANDARD_GRAVITY_MS2
    size = np.median(np.linalg.norm(acc, axis=1)) if n else 0.0
    none = np.empty(0, np.int64)
    few = none.astype(np.int32)
    return Trip(
        "", "00" * 32, "bare", np.rint(np.arange(n) * (1e9 / rate_hz)).astype(np.int64),
        quantise_acc(acc), none, few, few, few, few, few, 0,
        Gravity.KEPT if size >= REMOVED_BELOW_MS2 else Gravity.REMOVED, TimeBasis.RELATIVE,
    )  # fmt: skip
