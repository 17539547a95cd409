"""What the detector hears in one trip, step by step: what every other view of a trip starts from.

:func:`~streetbump.detect.detect` makes jolts of it, the scoreboard gives the same signal to the
classics, and the picture of a trip shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streetbump.config import DetectSettings
from streetbump.detect.lag import Lag, lag_of
from streetbump.detect.locate import Track, speed_at, track_of
from streetbump.detect.signal import Masks, Signal, prepare_masked
from streetbump.detect.trigger import Triggers, characteristic, find
from streetbump.model import Bools, Floats, Trip


@dataclass(frozen=True, eq=False)
class Listening:
    """One trip as the detector hears it.

    Attributes
    ----------
    signal : Signal
        Vertical acceleration on an even grid of n points.
    masks : Masks
        Why not all of it is usable.
    lag : Lag
        How late the fixes were.
    track : Track
        The usable fixes, moved earlier by their lag.
    speed_ms : (n,) float64
        Speed at each grid point; NaN where unknown.
    heard : (n,) bool
        Where a jolt counts: the signal is usable and the car drives. An unknown speed counts as
        driving; a phone slower than ``min_rate_hz`` hears nothing.
    score : (n,) float64
        The characteristic function.
    triggers : Triggers
        Its summits where a jolt counts.
    """

    signal: Signal
    masks: Masks
    lag: Lag
    track: Track
    speed_ms: Floats
    heard: Bools
    score: Floats
    triggers: Triggers

    @property
    def gated(self) -> Signal:
        """The signal, usable only where a jolt counts: what the classics are given."""
        return replace(self.signal, usable=self.heard)


def listen(trip: Trip, *, settings: DetectSettings) -> Listening:
    """A trip's signal, track, score and triggers.

    A trip of fewer than two samples has an empty signal; one without fixes an empty track.
    """
    signal, masks = prepare_masked(trip, settings=settings)
    lag = lag_of(trip, signal, settings=settings)
    track = track_of(trip, lag, settings=settings)
    # As if the lag were the usual one: what counts as a jolt must not hang on how well it is known.
    shift_ns = round((lag.lag_s - settings.lag_prior_s) * 1e9)
    speed = speed_at(track, signal.t_ns - shift_ns)
    driving = ~(speed < settings.min_speed_ms)
    awake = signal.rate_hz >= settings.min_rate_hz
    heard = signal.usable & driving & awake
    score: Floats = np.zeros(len(speed))
    if awake:
        score = characteristic(signal, speed_ms=speed, settings=settings)
    found = find(signal, score, speed_ms=speed, settings=settings)
    jolts = found.narrow(heard[found.peak])
    return Listening(signal, masks, lag, track, speed, heard, score, jolts)
