"""What a phone's satellite receiver says about a drive.

A fix is not the place of the car plus noise. It is late, it comes out of the receiver's own
tracking filter (which runs wide after a turn), its error is remembered from fix to fix, and its
claim about itself is a guess. Each of these is one number in :class:`Receiver`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streetbump.geo import MEAN_RADIUS_M
from streetbump.model import Bools, Floats, Ints

TUNNEL_SKY = 1.5
"""From here on the sky is a tunnel's: no fixes. Sky runs 0 (open) to 1 (deep canyon); 2 is a
tunnel, so the limit only has to lie between."""

REST_MS = 0.5
"""Below this speed receivers cannot tell a course, m/s. Chosen by us: a walking pace halved;
Doppler noise of 0.1-0.3 m/s then turns the course by more than 10-30 degrees."""

ERROR_68 = 1.51
"""Radius that holds 68 % of a round two-axis normal error, over its sd per axis: √(-2 ln 0.32).
Android defines `Location.getAccuracy` as that radius (android.location.Location, reference)."""

ACCURACY_FLOOR_M = 3.0
"""Least accuracy a phone claims, m: the median over the public records of Street Bump's 2011 app,
whose largest is 24 m."""

OUTLIER_M = (20.0, 40.0)
"""A gross outlier is off by the first, plus an exponential of the second, m. Chosen by us: well
outside the other errors, and within what street reflections and Wi-Fi fixes are off by."""

OUTLIER_FIXES = 3
"""A gross outlier lasts 1 to this many fixes. Chosen by us: a reflection passes in seconds."""

DROPOUT_S = (2.0, 8.0)
"""A dropout lasts the first, plus an exponential of the second, s. Chosen by us."""

CANYON_DROPOUTS = 5.0
"""Dropouts in a deep canyon over those under an open sky. Chosen by us."""

REACQUIRE_S = 3.0
"""Mean time from a tunnel's end until fixes are due again, s. Chosen by us: some seconds, as the
sky opens only gradually at a portal."""

FIRST_ERROR = 2.0
FIRST_ERROR_S = 15.0
"""The first fix's error is larger by `FIRST_ERROR` times, forgotten over `FIRST_ERROR_S`. Chosen
by us: a receiver starts with few satellites and adds the others over some tens of seconds."""

REPEAT_S = 1.0
"""A logger that repeats writes a row this often, s (AndroSensor and SensorLog repeat the
last fix on every row)."""


@dataclass(frozen=True)
class Receiver:
    """Error model of one receiver on one trip.

    Sizes and memories of the errors are chosen by us: we found no measured autocorrelation of
    phones in street canyons. Together they give about 11 m (95 %) under an open sky, near the
    10 m that is usually said of phones.

    Attributes
    ----------
    interval_s : float
        Time between fixes, s: 1 on nearly all phones, 0.1 to 10 seen (medians of 153 phone
        models in Sensor Logger's field table: 1.0 Hz, 0.1 to 13 Hz).
    lag_s : float
        How old the place, speed and course of a fix are when it is written, s (0.3-1.5,
        chosen by us; about 1 s has been seen).
    bias_m : float
        Standard deviation per axis of the error that lasts the whole trip, m (2-4).
    sigma_m, tau_s : float
        Standard deviation per axis (m) and memory (s) of the wandering error under an open sky
        (2-4 m and 60 s).
    canyon_sigma_m, canyon_tau_s : float
        The same in a deep street canyon (8-15 m and 30 s).
    outlier_share : float
        Share of fixes that are grossly wrong (0.01-0.03).
    dropout_per_hour : float
        How often the fixes stop for some seconds under an open sky. Chosen by us.
    accuracy_scale : float
        Claimed over true accuracy (0.5-2).
    speed_ms, heading_deg : float
        Standard deviation of speed (m/s), and of the course at 10 m/s (degrees; it grows as the
        car slows). Chosen by us: 0.05-0.3 m/s is what Doppler gives.
    repeats : bool
        Whether the logger writes the last fix again every second when there is no new one.
    start_delay_s : float
        Time to the first fix, s.
    smooth_s : float
        Time constant of the receiver's tracking filter, s; 0 = none. A straight drive at steady
        speed passes unchanged; after a turn or a stop the fixes run wide by about the car's
        acceleration times `smooth_s`². Chosen by us.
    jitter_s : float
        Standard deviation of the time a fix is written late or early, s. The place does not
        know of it, so the lag varies by as much.
    missed_share : float
        Share of single fixes that never come. With `jitter_s` it makes up the spread of the gaps
        (standard deviation 0.28 s, the median over Sensor Logger's field table).
    at_rest : {"unknown", "frozen"}
        Course of a standing car: NaN, or the last one before it stood.
    holds : bool
        Whether the place is held while the car stands; else it drifts with the error.
    first_unknown : int
        How many fixes at the start have neither speed nor course (phyphox writes NaN there).
    """

    interval_s: float = 1.0
    lag_s: float = 0.8
    bias_m: float = 3.0
    sigma_m: float = 3.0
    tau_s: float = 60.0
    canyon_sigma_m: float = 12.0
    canyon_tau_s: float = 30.0
    outlier_share: float = 0.02
    dropout_per_hour: float = 2.0
    accuracy_scale: float = 1.0
    speed_ms: float = 0.15
    heading_deg: float = 1.5
    repeats: bool = False
    start_delay_s: float = 0.0
    smooth_s: float = 0.6
    jitter_s: float = 0.1
    missed_share: float = 0.02
    at_rest: Literal["unknown", "frozen"] = "unknown"
    holds: bool = False
    first_unknown: int = 0


EXACT = Receiver(
    lag_s=0.0, bias_m=0.0, sigma_m=0.0, canyon_sigma_m=0.0, outlier_share=0.0,
    dropout_per_hour=0.0, speed_ms=0.0, heading_deg=0.0, smooth_s=0.0, jitter_s=0.0,
    missed_share=0.0,
)  # fmt: skip
"""A receiver that is never wrong or late: every error above switched off."""


@dataclass(frozen=True, eq=False)
class Fixes:
    """What the receiver said; all columns (m,) float64, by time.

    Attributes
    ----------
    t_s : when the phone wrote the fix, s, on the clock of the drive: late by the receiver's lag.
    lat_deg, lon_deg : place, degrees.
    speed_ms : speed, m/s; NaN = unknown.
    heading_deg : course, degrees clockwise from north, 0 to 360; NaN = unknown.
    accuracy_m : claimed radius of 68 %, m.
    """

    t_s: Floats
    lat_deg: Floats
    lon_deg: Floats
    speed_ms: Floats
    heading_deg: Floats
    accuracy_m: Floats


def gauss_markov(
    count: int, *, sigma: float, step_s: float, tau_s: float, rng: np.random.Generator
) -> Floats:
    """A first-order Gauss-Markov error, (count, 2): sd `sigma`, forgotten over `tau_s`.

    >>> e = gauss_markov(20000, sigma=2.0, step_s=1.0, tau_s=10.0, rng=np.random.default_rng(0))
    >>> bool(np.all(np.abs(e.std(axis=0) - 2.0) < 0.2))
    True
    """
    from scipy.signal import lfilter

    keep = np.exp(-step_s / tau_s)
    shock = sigma * np.sqrt(1 - keep**2) * rng.standard_normal((count, 2))
    shock[:1] /= np.sqrt(1 - keep**2)  # the first error is drawn from the long run
    return np.asarray(lfilter([1.0], [1.0, -keep], shock, axis=0))


def track(position_m: Floats, *, rate_hz: float, smooth_s: float) -> Floats:
    """Positions as a constant-velocity tracking filter reports them, (k, 2), m.

    The filter's response is ``(2 s/τ + 1/τ²) / (s + 1/τ)²``, critically damped: that of a steady
    alpha-beta tracker (Bar-Shalom, Li and Kirubarajan 2001, doi 10.1002/0471221279, section 6.5).
    It has no error at constant velocity, and nearly acceleration · τ² outwards in a steady turn.
    It starts as if the car had always driven at its first velocity.

    Parameters
    ----------
    position_m : (k, 2) float64
        True positions on an even grid of `rate_hz`, m.
    smooth_s : float
        τ, s; 0 returns the positions.

    >>> corner = np.array([[0.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0], [0, 0, 0, 0, 1.0, 2.0, 3.0]]).T
    >>> out = track(corner, rate_hz=1.0, smooth_s=1.0)
    >>> bool(out[:3].tolist() == corner[:3].tolist()), bool(out[4, 0] > 3.0)
    (True, True)
    """
    from scipy.signal import bilinear, lfilter

    if smooth_s <= 0 or position_m.shape[0] < 2:
        return position_m
    b, a = bilinear([2 / smooth_s, smooth_s**-2], [1, 2 / smooth_s, smooth_s**-2], rate_hz)
    steps = np.arange(position_m.shape[0])[:, None]
    straight = position_m[0] + steps * (position_m[1] - position_m[0])
    return straight + np.asarray(lfilter(b, a, position_m - straight, axis=0))


def receive(
    t_s: Floats, lat_deg: Floats, lon_deg: Floats, speed_ms: Floats, heading_deg: Floats,
    sky: Floats, *, receiver: Receiver, rng: np.random.Generator,
) -> Fixes:  # fmt: skip
    """What the receiver says about a drive; the same generator state gives the same fixes.

    Parameters
    ----------
    t_s : (k,) float64
        Times of the true states on an even grid, s; 10 Hz is enough.
    lat_deg, lon_deg, speed_ms, heading_deg : (k,) float64
        True place of the antenna (degrees), speed (m/s) and course (degrees); no NaN.
    sky : (k,) float64
        0 under an open sky to 1 in a deep street canyon; 2 in a tunnel.

    >>> t = np.arange(0.0, 60.0, 0.1)
    >>> east = np.degrees(10.0 * t / MEAN_RADIUS_M)  # 10 m/s along the equator
    >>> fixes = receive(t, 0 * t, east, 0 * t + 10, 0 * t + 90, 0 * t, receiver=EXACT,
    ...                 rng=np.random.default_rng(0))
    >>> fixes.t_s.size, float(fixes.speed_ms[5]), float(fixes.heading_deg[5])
    (60, 10.0, 90.0)
    """
    if t_s.size < 2:
        return Fixes(*(np.zeros(0) for _ in range(6)))
    due = np.arange(
        t_s[0] + receiver.start_delay_s + rng.uniform(0.0, receiver.interval_s),
        t_s[-1], receiver.interval_s,
    )  # fmt: skip
    cover = sky[np.searchsorted(t_s, due, side="right") - 1]
    written = _written(due, receiver, rng)
    sigma, error = _error(due, np.clip(cover, 0.0, 1.0), receiver, rng)
    came = _came(t_s, due, sky, cover, receiver, rng) & (written <= t_s[-1])
    due, written, sigma, error = due[came], written[came], sigma[came], error[came]

    position, velocity = _states(
        t_s, lat_deg, lon_deg, speed_ms, heading_deg, at_s=due - receiver.lag_s, receiver=receiver
    )
    rest = np.hypot(*velocity.T) < REST_MS
    if receiver.holds:
        error = (error + position)[_held(rest)] - position
    wild, off = _outliers(due.size, receiver, rng)
    lat, lon = _place(position + error + off, lat_deg[0], lon_deg[0])
    speed, heading = _course(velocity, rest, receiver, rng)
    claim = receiver.accuracy_scale * ERROR_68 * sigma * np.exp(0.1 * rng.standard_normal(due.size))
    honest = wild & (rng.random(due.size) < 0.5)  # Wi-Fi fixes say so, reflections do not
    claim = np.where(honest, np.hypot(*off.T), claim)
    fixes = Fixes(written, lat, lon, speed, heading, np.maximum(claim, ACCURACY_FLOOR_M))
    return _repeated(fixes, until_s=float(t_s[-1])) if receiver.repeats else fixes


def random_receiver(rng: np.random.Generator) -> Receiver:
    """A receiver from the population that contributors bring.

    Ranges are those of :class:`Receiver`; how often each occurs is chosen by us.

    >>> receiver = random_receiver(np.random.default_rng(0))
    >>> 0.3 <= receiver.lag_s <= 1.5, 0.5 <= receiver.accuracy_scale <= 2.0
    (True, True)
    """
    intervals = (1.0, 0.1, 0.2, 0.5, 2.0, 5.0, 10.0)
    late_start = rng.random() < 0.3
    return Receiver(
        interval_s=float(rng.choice(intervals, p=(0.86, 0.01, 0.02, 0.02, 0.04, 0.03, 0.02))),
        lag_s=float(rng.uniform(0.3, 1.5)),
        bias_m=float(rng.uniform(2.0, 4.0)),
        sigma_m=float(rng.uniform(2.0, 4.0)),
        canyon_sigma_m=float(rng.uniform(8.0, 15.0)),
        outlier_share=float(rng.uniform(0.01, 0.03)),
        dropout_per_hour=float(rng.exponential(2.0)),
        accuracy_scale=float(2.0 ** rng.uniform(-1.0, 1.0)),
        speed_ms=float(rng.uniform(0.05, 0.3)),
        heading_deg=float(rng.uniform(1.0, 3.0)),
        repeats=bool(rng.random() < 0.3),
        start_delay_s=float(rng.exponential(10.0)) if late_start else 0.0,
        smooth_s=float(rng.uniform(0.3, 1.0)),
        jitter_s=float(np.clip(0.08 * np.exp(0.7 * rng.standard_normal()), 0.01, 0.4)),
        missed_share=float(np.minimum(rng.exponential(0.03), 0.2)),
        at_rest="frozen" if rng.random() < 0.5 else "unknown",
        holds=bool(rng.random() < 0.4),
        first_unknown=int(rng.integers(0, 4)) if late_start else 0,
    )


def _written(due: Floats, receiver: Receiver, rng: np.random.Generator) -> Floats:
    """When each fix is written: mostly a little early, sometimes much late, never out of order."""
    late = receiver.jitter_s * (rng.standard_exponential(due.size) - 1.0)
    room = 0.45 * receiver.interval_s
    return np.asarray(due + np.clip(late, -room, room))


def _error(
    due: Floats, cover: Floats, receiver: Receiver, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Standard deviation per axis, (m,), and error east and north, (m, 2), of every due fix, m.

    Variances are blended by `cover`, so the error is as large as the sky says at any moment.
    """
    step, n = receiver.interval_s, due.size
    bias = receiver.bias_m * rng.standard_normal(2)
    clear = gauss_markov(n, sigma=receiver.sigma_m, step_s=step, tau_s=receiver.tau_s, rng=rng)
    canyon = gauss_markov(
        n, sigma=receiver.canyon_sigma_m, step_s=step, tau_s=receiver.canyon_tau_s, rng=rng
    )
    fresh = 1 + FIRST_ERROR * np.exp(-(due - due[:1]) / FIRST_ERROR_S)
    wander = np.sqrt(1 - cover)[:, None] * clear + np.sqrt(cover)[:, None] * canyon
    spread = (1 - cover) * receiver.sigma_m**2 + cover * receiver.canyon_sigma_m**2
    sigma = np.sqrt(receiver.bias_m**2 + fresh**2 * spread)
    return sigma, bias + fresh[:, None] * wander


def _came(
    t_s: Floats, due: Floats, sky: Floats, cover: Floats, receiver: Receiver,
    rng: np.random.Generator,
) -> Bools:  # fmt: skip
    """Which of the due fixes come: none in a tunnel, just after it, or in a dropout."""
    inside = sky > TUNNEL_SKY
    ends = t_s[1:][inside[:-1] & ~inside[1:]]
    blind = _within(due, ends, REACQUIRE_S * rng.standard_exponential(ends.size))
    hours = (t_s[-1] - t_s[0]) / 3600.0
    starts = rng.uniform(
        t_s[0], t_s[-1], rng.poisson(CANYON_DROPOUTS * receiver.dropout_per_hour * hours)
    )
    least, mean = DROPOUT_S
    last = least + mean * rng.standard_exponential(starts.size)
    here = np.clip(np.interp(starts, t_s, sky), 0.0, 1.0)
    happens = rng.random(starts.size) * CANYON_DROPOUTS < 1 + (CANYON_DROPOUTS - 1) * here
    lost = _within(due, starts[happens], last[happens])
    missed = rng.random(due.size) < receiver.missed_share
    return np.asarray((cover <= TUNNEL_SKY) & ~blind & ~lost & ~missed)


def _within(t_s: Floats, starts_s: Floats, lengths_s: Floats) -> Bools:
    """Which times lie in any of the intervals."""
    begun = np.searchsorted(np.sort(starts_s), t_s, side="right")
    over = np.searchsorted(np.sort(starts_s + lengths_s), t_s, side="right")
    return np.asarray(begun > over)


def _states(
    t_s: Floats, lat_deg: Floats, lon_deg: Floats, speed_ms: Floats, heading_deg: Floats, *,
    at_s: Floats, receiver: Receiver,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Place (m, 2) from the first one (m) and velocity (m, 2) (m/s) as the receiver tracks them."""
    from scipy.signal import bilinear, lfilter

    rate = float((t_s.size - 1) / (t_s[-1] - t_s[0]))
    east = np.radians((lon_deg - lon_deg[0] + 180.0) % 360.0 - 180.0)
    north = np.radians(lat_deg - lat_deg[0])
    metres = MEAN_RADIUS_M * np.column_stack((east * np.cos(np.radians(lat_deg[0])), north))
    course = np.radians(heading_deg)
    velocity = speed_ms[:, None] * np.column_stack((np.sin(course), np.cos(course)))
    if receiver.smooth_s > 0:
        b, a = bilinear([1.0], [receiver.smooth_s, 1.0], rate)
        velocity = velocity[0] + np.asarray(lfilter(b, a, velocity - velocity[0], axis=0))
    tracked = track(metres, rate_hz=rate, smooth_s=receiver.smooth_s)
    # Before the first state (a late fix of a moving start) the car is taken to have gone straight.
    early = np.minimum(at_s - t_s[0], 0.0)[:, None] * velocity[0]
    place = [np.interp(at_s, t_s, tracked[:, k]) for k in (0, 1)]
    moving = [np.interp(at_s, t_s, velocity[:, k]) for k in (0, 1)]
    return np.column_stack(place) + early, np.column_stack(moving)


def _held(rest: Bools) -> Ints:
    """Row whose place each fix shows: its own, or the first of the stand it belongs to."""
    row = np.arange(rest.size)
    again = rest & np.concatenate(([False], rest[:-1]))[: rest.size]
    return np.maximum.accumulate(np.where(again, 0, row))


def _outliers(count: int, receiver: Receiver, rng: np.random.Generator) -> tuple[Bools, Floats]:
    """Which fixes are grossly wrong, (count,), and by how much, (count, 2), m east and north."""
    mean = (1 + OUTLIER_FIXES) / 2
    row = np.arange(count)
    begin = rng.random(count) < receiver.outlier_share / mean
    lasts = rng.integers(1, OUTLIER_FIXES + 1, count)
    least, more = OUTLIER_M
    far = least + more * rng.standard_exponential(count)
    way = rng.uniform(0.0, 2 * np.pi, count)
    since = np.maximum.accumulate(np.where(begin, row, -OUTLIER_FIXES - 1))
    source = np.maximum(since, 0)
    wild = row - since < lasts[source]
    off = np.column_stack((far * np.sin(way), far * np.cos(way)))[source]
    return wild, np.where(wild[:, None], off, 0.0)


def _place(position_m: Floats, lat0_deg: float, lon0_deg: float) -> tuple[Floats, Floats]:
    """Latitude and longitude of places east and north of the first one, degrees."""
    east, north = np.degrees(position_m / MEAN_RADIUS_M).T
    lon = lon0_deg + east / np.cos(np.radians(lat0_deg))
    return lat0_deg + north, np.where(np.abs(lon) > 180.0, (lon + 180.0) % 360.0 - 180.0, lon)


def _course(
    velocity: Floats, rest: Bools, receiver: Receiver, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Speed (m/s) and course (degrees) that the fixes state."""
    count = rest.size
    true = np.hypot(*velocity.T)
    speed = np.maximum(true + receiver.speed_ms * rng.standard_normal(count), 0.0)
    sway = receiver.heading_deg * 10.0 / np.maximum(true, REST_MS) * rng.standard_normal(count)
    heading = (np.degrees(np.arctan2(*velocity.T)) + sway) % 360.0
    heading[rest] = np.nan
    if receiver.at_rest == "frozen" and count:
        heading = heading[np.maximum.accumulate(np.where(rest, 0, np.arange(count)))]
    speed[: receiver.first_unknown] = np.nan
    heading[: receiver.first_unknown] = np.nan
    return speed, heading


def _repeated(fixes: Fixes, *, until_s: float) -> Fixes:
    """The fixes with each written again every second until the next one comes."""
    gap = np.diff(np.append(fixes.t_s, until_s)) / REPEAT_S
    times = np.maximum(np.ceil(gap - 0.5), 1).astype(np.int64)
    row = np.repeat(np.arange(times.size), times)
    nth = np.arange(row.size) - np.repeat(np.cumsum(times) - times, times)
    return Fixes(
        fixes.t_s[row] + REPEAT_S * nth, fixes.lat_deg[row], fixes.lon_deg[row],
        fixes.speed_ms[row], fixes.heading_deg[row], fixes.accuracy_m[row],
    )  # fmt: skip
