"""A phone in a car: how it is held, what happens to it, how it samples, and what it adds.

A force walks through once: engine → mount → handling → orientation → chip → logger. Inside, forces
are (3, n), one contiguous row per axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Bools, Floats, Ints

CHIP_S = 0.02
"""Longest time a chip averages over, s. Chosen by us: chips run at 50 Hz or more, and a slower
logger keeps the latest value it was given, so slow trips alias as real ones do."""

GRAVITY_LAG_S = 0.1
"""How late the phone's gravity follows a turn, s. Chosen by us: fused from gyroscope and
accelerometer at 50-100 Hz and passed on through a queue."""

GRAVITY_TAU_S = 2.0
"""Time over which the accelerometer corrects the phone's gravity, s. Chosen by us, within the
0.5-10 s of usual complementary filters (Mahony, Hamel and Pflimlin 2008, doi
10.1109/TAC.2008.923738, section IV): braking for as long tilts it as it tilts real ones."""

WARM_S = 300.0
"""Time in which a recording phone warms up, s. Chosen by us."""

ENGINE_HZ = (20.0, 30.0)
"""Idle of a four-cylinder engine, Hz: twice per turn at 600-900 turns per minute."""

RATTLE_MS2 = 3.0
RATTLE_SHARE = 0.3
RATTLE_S = 0.03
"""A loose phone rattles by `RATTLE_SHARE` of what a vertical jolt exceeds `RATTLE_MS2`, and rings
for `RATTLE_S`. Chosen by us: hard plastic with some millimetres of play."""

SWAY_DEG = 2.0
SWAY_HZ = (0.05, 0.5)
"""How far (standard deviation) and how fast a body turns the phone in its pocket. Chosen by us:
pedals, steering and breathing."""

HAND_MS2 = 1.5
HAND_HZ = (1.0, 5.0)
HAND_DEG = 20.0
HAND_TURN_HZ = (0.2, 1.5)
"""Root-mean-square motion of a hand that uses a phone, its band, and the same of its turning.
Chosen by us: voluntary movement lies below some 5 Hz, peaks of a few m/s²."""

MOVE_SHARE = 0.5
"""Hand motion while a phone is only put elsewhere, over that while it is used. Chosen by us."""

CLUNK_MS2 = (3.0, 10.0)
CLUNK_S = 0.02
"""A phone put down knocks against its new place: peak and length. Chosen by us."""

FALL_S = (0.1, 0.3)
"""Free fall of a dropped phone, s: √(2 h / g) for 5 to 45 cm, from a lap or a dashboard."""

IMPACT_S = 0.008
"""Length of the half-sine of an impact, s. Chosen by us: phones on carpet and plastic, 5-15 ms;
the peaks, hundreds of m/s², clip on every phone."""

BOUNCE = 0.35
"""Speed after an impact over that before it. Chosen by us."""


@dataclass(frozen=True)
class Mount:
    """How a mount passes on what the car does: a mass on a spring and a damper.

    Attributes
    ----------
    hz : (float, float, float)
        Natural frequency right, forward and up, Hz; 0 = rigid.
    damping : float
        Share of critical damping.
    rattles, sways : bool
        Whether the phone is loose in it, and whether a body carries it.
    """

    hz: tuple[float, float, float] = (0.0, 0.0, 0.0)
    damping: float = 0.0
    rattles: bool = False
    sways: bool = False


MOUNTS = MappingProxyType({
    "rigid": Mount(),
    "cradle": Mount((16.0, 22.0, 18.0), 0.11),
    "cupholder": Mount(rattles=True),
    "seat": Mount((8.0, 8.0, 11.0), 0.35),
    "pocket": Mount((3.5, 4.0, 5.0), 0.4, sways=True),
    "purse": Mount((6.0, 6.0, 9.0), 0.5),
})  # fmt: skip
"""Mounts by name. Cradles on an arm ring at 10-30 Hz, lightly damped (chosen by us within that).
A pocket moves with a seated body, which peaks at 4-5 Hz and softens what is above (Griffin 1990,
"Handbook of Human Vibration", ch. 9). A phone that sinks into foam or cloth by δ under its own
weight has the frequency √(g / δ) / 2π: 11 Hz for 2 mm of a seat, 9 Hz for 3 mm in a purse. Other
frequencies and all damping chosen by us."""

HAND = Mount((3.0, 3.0, 3.0), 0.5)
"""A phone in the hand hangs on an arm: it does not follow the car above some 3 Hz. Chosen by us."""


@dataclass(frozen=True)
class Handling:
    """Something done to the phone during the trip.

    Attributes
    ----------
    start_s, length_s : float
        From when and how long, s.
    kind : {"moved", "handled", "dropped"}
        Put elsewhere in one movement; used in the hand; or fallen, with impacts.
    turn_deg : (float, float, float)
        Mounting afterwards, as in :class:`Phone`.
    mount : str or None
        Mount afterwards; None keeps it.
    """

    start_s: float
    length_s: float
    kind: Literal["moved", "handled", "dropped"]
    turn_deg: tuple[float, float, float]
    mount: str | None = None


@dataclass(frozen=True)
class Phone:
    """One phone, the way it is mounted, and its logger.

    Attributes
    ----------
    rate_hz : float
        Nominal sampling rate, Hz (5-400).
    turn_deg : (float, float, float)
        Mounting: turned about its z, then x, then y axis, degrees. All zero means flat on its
        back with the top forward, so device axes are right, forward, up.
    ahead_m, right_m, above_m : float
        Where it is in the car, from the centre of mass, m.
    platform : {"android", "ios"}
        Whose signs and units its loggers write; samples here are Android's for both.
    mount : str
        Name in `MOUNTS`.
    mount_tune : float
        Natural frequencies of this phone's mount over those in `MOUNTS`.
    jitter : float
        Standard deviation of the sampling interval over the interval.
    batch : int
        Samples handed over at a time, under the time of the last; 1 = each for itself.
    gap_per_hour, gap_s : float
        How often the logger stops, and for how long (half to one and a half times), s.
    noise_ms2 : float
        Standard deviation of the white noise of each sample, m/s²; see :func:`noise_rms`.
    offset_ms2 : (float, float, float)
        Zero-g offset, m/s² (data sheets: ± 40-60 mg; phones calibrate most away).
    drift_ms2 : float
        Standard deviation per axis of the offset gained in warming up, m/s² (data sheets: about
        1 mg/K, so 0.05 for 5 K).
    scale : (float, float, float)
        Gain (± 1 %; chosen by us).
    lsb_ms2, range_ms2 : float
        Quantisation step, and the largest reading, m/s².
    engine_ms2 : float
        Amplitude of the engine's vibration, m/s²; 0 = electric or off.
    events : tuple of Handling
        What happens to it, by time.
    """

    rate_hz: float
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ahead_m: float = 0.5
    right_m: float = 0.0
    above_m: float = 0.3
    platform: Literal["android", "ios"] = "android"
    mount: str = "rigid"
    mount_tune: float = 1.0
    jitter: float = 0.03
    batch: int = 1
    gap_per_hour: float = 0.0
    gap_s: float = 3.0
    noise_ms2: float = 0.02
    offset_ms2: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drift_ms2: float = 0.0
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lsb_ms2: float = 0.0024  # 16 bit over ± 8 g
    range_ms2: float = 8 * STANDARD_GRAVITY_MS2
    engine_ms2: float = 0.0
    events: tuple[Handling, ...] = ()


@dataclass(frozen=True, eq=False)
class Samples:
    """What the logger wrote.

    Attributes
    ----------
    t_s : (m,) float64
        Times, s from the start of the drive; never falling, equal within a batch.
    acc_ms2, gravity_ms2 : (m, 3) float64
        Acceleration with gravity, and the phone's own idea of gravity, m/s², device axes,
        Android's sign (+9.81 on the axis that points up at rest).
    """

    t_s: Floats
    acc_ms2: Floats
    gravity_ms2: Floats


def mount_rotation(turn_deg: tuple[float, float, float]) -> Floats:
    """Rotation matrix (3, 3) from car axes (right, forward, up) to device axes.

    >>> np.round(mount_rotation((0.0, 90.0, 0.0)) @ np.array([0, 0, 9.81]), 2).tolist()
    [0.0, 9.81, 0.0]
    """
    z, x, y = np.radians(turn_deg)
    about_z = np.array([[np.cos(z), np.sin(z), 0], [-np.sin(z), np.cos(z), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    return np.asarray(about_y @ about_x @ about_z)


def noise_rms(density_ug: float, *, rate_hz: float) -> float:
    """Standard deviation of a sample's noise, m/s², from a data sheet's density in µg/√Hz.

    The band is half the chip's rate, which is at least 50 Hz. Data sheets: 75 (TDK ICM-42688-P)
    to 160 µg/√Hz (Bosch BMI270).

    >>> round(noise_rms(150.0, rate_hz=50.0), 4)
    0.0074
    """
    return float(density_ug * 1e-6 * STANDARD_GRAVITY_MS2 * np.sqrt(max(rate_hz, 1 / CHIP_S) / 2))


def through_spring(
    force_ms2: Floats, *, natural_hz: float, damping: float, rate_hz: float
) -> Floats:
    """One axis of a force, (n,), as a mass on a spring and a damper feels it, m/s².

    Starts settled under the first value. Unchanged if the spring is too stiff for the rate.

    >>> step = np.repeat([0.0, 1.0], 500)
    >>> felt = through_spring(step, natural_hz=5.0, damping=0.5, rate_hz=500.0)
    >>> bool(felt[500:].max() > 1.2), round(float(felt[-1]), 3)
    (True, 1.0)
    """
    from scipy.signal import bilinear, lfilter

    if not 0 < natural_hz < 0.4 * rate_hz or force_ms2.size == 0:
        return force_ms2
    w = 2 * rate_hz * np.tan(np.pi * natural_hz / rate_hz)  # pre-warped: the peak stays in place
    b, a = bilinear([2 * damping * w, w**2], [1, 2 * damping * w, w**2], rate_hz)
    return force_ms2[0] + np.asarray(lfilter(b, a, force_ms2 - force_ms2[0]))


def record(force_ms2: Floats, *, rate_hz: float, phone: Phone, rng: np.random.Generator) -> Samples:
    """What the phone's logger writes; the same generator state gives the same samples.

    Parameters
    ----------
    force_ms2 : (n, 3) float64
        Specific force at the phone's place in car axes (right, forward, up; +9.81 up at rest) on
        an even grid from time 0, m/s².
    rate_hz : float
        Rate of that grid, Hz; 500 resolves impacts. Between its values the force goes straight,
        which takes 5 % off a shake at an eighth of the rate.

    >>> rest = np.tile([0.0, 0.0, 9.80665], (1000, 1))
    >>> quiet = Phone(50.0, (0.0, 90.0, 0.0), noise_ms2=0.0, lsb_ms2=0.001, jitter=0.0)
    >>> samples = record(rest, rate_hz=500.0, phone=quiet, rng=np.random.default_rng(0))
    >>> samples.t_s.size, samples.acc_ms2[0].tolist()
    (100, [0.0, 9.807, 0.0])
    """
    n = force_ms2.shape[0]
    if n < 2:
        return Samples(np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3)))
    force = np.array(force_ms2.T, dtype=np.float64, order="C")
    if phone.engine_ms2 > 0:
        force += _engine(n, phone, rate_hz, rng)
    felt, up = _held(force, phone, rate_hz, rng)
    taken, stamped, kept = _clock(n / rate_hz, phone, rng)
    true = _averaged(felt, taken, phone, rate_hz, rng)
    acc = _digitised(true, taken, phone, rng)
    gravity = _fused(acc, up, taken, phone, rate_hz)
    return Samples(stamped[kept], acc.T[kept], gravity.T[kept])


def random_phone(rng: np.random.Generator, *, length_s: float) -> Phone:
    """A phone from the population that contributors bring, for a trip of `length_s`.

    Rates are those seen (Sensor Logger's field table: iPhones 100 Hz within 0.7 %, Androids 50 to
    404 Hz; older loggers far less); how often each occurs, mounts, mishaps and what loggers skip
    are chosen by us.

    >>> phone = random_phone(np.random.default_rng(0), length_s=600.0)
    >>> 5.0 <= phone.rate_hz <= 400.0, phone.mount in MOUNTS
    (True, True)
    """
    ios = bool(rng.random() < 0.4)
    rates = (5.0, 10.0, 1 / 0.06, 20.0, 25.0, 50.0, 100.0, 200.0, 400.0)
    share = (0.03, 0.06, 0.06, 0.05, 0.06, 0.32, 0.28, 0.11, 0.03)
    if ios:  # CoreMotion gives 100 Hz at most
        share = (0.02, 0.07, 0.0, 0.05, 0.04, 0.3, 0.52, 0.0, 0.0)
    rate = float(np.clip(rng.choice(rates, p=share) * (1 + 0.004 * rng.normal()), 5.0, 400.0))
    mount = str(rng.choice(list(MOUNTS), p=(0.1, 0.42, 0.18, 0.1, 0.12, 0.08)))
    ahead, right, above = _seat_of(mount, rng)
    reach = float(rng.choice((2.0, 4.0, 8.0, 16.0), p=(0.15, 0.25, 0.45, 0.15)))
    bits = int(rng.choice((10, 12, 14, 16), p=(0.07, 0.23, 0.2, 0.5)))
    return Phone(
        rate_hz=rate,
        turn_deg=_turn_of(mount, rng),
        ahead_m=ahead,
        right_m=right,
        above_m=above,
        platform="ios" if ios else "android",
        mount=mount,
        mount_tune=float(rng.uniform(0.7, 1.4)),
        jitter=float(rng.uniform(0.002, 0.02) if ios else rng.uniform(0.01, 0.15)),
        batch=int(rng.integers(2, 11)) if rng.random() < 0.1 else 1,
        gap_per_hour=float(rng.exponential(2.0)) if rng.random() < 0.4 else 0.0,
        gap_s=float(rng.uniform(0.5, 6.0)),
        noise_ms2=noise_rms(float(rng.uniform(75.0, 300.0)), rate_hz=rate),
        offset_ms2=_three(0.15 * rng.standard_normal(3)),
        drift_ms2=float(rng.uniform(0.0, 0.05)),
        scale=_three(1 + 0.005 * rng.standard_normal(3)),
        lsb_ms2=reach * STANDARD_GRAVITY_MS2 / 2 ** (bits - 1),
        range_ms2=reach * STANDARD_GRAVITY_MS2,
        engine_ms2=float(rng.uniform(0.02, 0.2)) if rng.random() < 0.85 else 0.0,
        events=_random_events(mount, length_s, rng),
    )


# --- the population


def _three(values: Floats) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _seat_of(mount: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Ahead, right and above the centre of mass, m: dashboard, console or a front seat."""
    if mount in ("rigid", "cradle"):
        return _three(rng.uniform((0.5, -0.5, 0.3), (0.9, 0.4, 0.6)))
    if mount == "cupholder":
        return _three(rng.uniform((0.0, -0.1, 0.0), (0.5, 0.1, 0.2)))
    side = -1.0 if mount == "pocket" else float(rng.choice((-1.0, 1.0), p=(0.1, 0.9)))
    return _three(rng.uniform((-0.4, 0.3, 0.0), (0.1, 0.5, 0.2)) * (1.0, side, 1.0))


def _turn_of(mount: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Upright to the driver in a cradle, flat or on an edge elsewhere, anyhow in a bag."""
    if mount == "cradle":
        landscape = float(rng.choice((0.0, 90.0, -90.0), p=(0.75, 0.15, 0.1)))
        turn = np.array([rng.normal(0.0, 15.0), rng.uniform(45.0, 95.0), rng.normal(0.0, 5.0)])
        # On its side: the long axis lies across, so the tilt is about y.
        return _three(turn if landscape == 0 else np.array([landscape, turn[2], turn[1]]))
    if mount in ("rigid", "seat"):
        return _three(np.array([rng.uniform(-180, 180), *rng.normal(0.0, 10.0, 2)]))
    # Up is anywhere on the sphere: sin x even, y even.
    tilt = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0)))
    return _three(np.array([rng.uniform(-180, 180), tilt, rng.uniform(-180, 180)]))


def _random_events(mount: str, length_s: float, rng: np.random.Generator) -> tuple[Handling, ...]:
    """Mishaps of a trip; not overlapping, by time. Rates per hour chosen by us."""
    kinds: tuple[tuple[Literal["moved", "handled", "dropped"], float, float, float], ...] = (
        ("moved", 0.7, 1.0, 3.0), ("handled", 1.2, 4.0, 25.0), ("dropped", 0.25, 1.5, 3.0),
    )  # fmt: skip
    found: list[Handling] = []
    for kind, per_hour, least, most in kinds:  # three kinds
        for start in rng.uniform(0.0, length_s, rng.poisson(per_hour * length_s / 3600.0)):
            falls = kind == "dropped" or (kind == "moved" and rng.random() < 0.4)
            after = str(rng.choice(("cupholder", "seat"))) if falls else mount
            length = float(rng.uniform(least, most))
            found.append(Handling(float(start), length, kind, _turn_of(after, rng), after))
    found.sort(key=lambda e: e.start_s)
    busy = [e.start_s + e.length_s for e in found]
    return tuple(e for k, e in enumerate(found) if k == 0 or e.start_s > max(busy[:k]))


# --- the mechanics, on the grid


def _wander(
    count: int, band_hz: tuple[float, float], rate_hz: float, rng: np.random.Generator
) -> Floats:
    """Band-limited noise of standard deviation 1, (3, count)."""
    from scipy.signal import butter, sosfilt

    coarse_hz = min(20 * band_hz[1], rate_hz)
    lead = int(2 * coarse_hz / band_hz[0])  # so that it has settled
    shape = (3, lead + int(count * coarse_hz / rate_hz) + 3)
    sos = butter(2, band_hz, btype="bandpass", fs=coarse_hz, output="sos")
    noise = sosfilt(sos, rng.standard_normal(shape), axis=1)
    gain = np.sqrt(np.sum(sosfilt(sos, np.eye(1, 4 * lead)[0]) ** 2))
    at = np.arange(count) * (coarse_hz / rate_hz)
    grid = np.arange(shape[1] - lead)
    return np.stack([np.interp(at, grid, axis[lead:]) for axis in noise]) / gain


def _engine(count: int, phone: Phone, rate_hz: float, rng: np.random.Generator) -> Floats:
    """A line that wanders by some per cent in frequency and strength, (3, count), m/s²."""
    hz, swell, _ = _wander(count, (0.02, 0.3), rate_hz, rng)
    turn = 2 * np.pi * np.cumsum(rng.uniform(*ENGINE_HZ) * (1 + 0.05 * hz)) / rate_hz
    size = phone.engine_ms2 * np.clip(1 + 0.3 * swell, 0.0, None)
    share = rng.uniform(0.3, 1.0, 3)
    return share[:, None] * (size * np.sin(turn + rng.uniform(0.0, 2 * np.pi)))


def _through(
    force: Floats, mount: Mount, tune: float, rate_hz: float, rng: np.random.Generator
) -> Floats:
    """Force behind a mount, (3, n), car axes."""
    soft = np.stack([
        through_spring(axis, natural_hz=hz * tune, damping=mount.damping, rate_hz=rate_hz)
        for axis, hz in zip(force, mount.hz, strict=True)
    ])  # fmt: skip
    return soft + _rattle(force[2], rate_hz, rng) if mount.rattles else soft


def _rattle(up_ms2: Floats, rate_hz: float, rng: np.random.Generator) -> Floats:
    """What a loose phone adds when it is jolted, (3, n), m/s²."""
    from scipy.signal import lfilter

    excess = np.maximum(np.abs(up_ms2 - STANDARD_GRAVITY_MS2) - RATTLE_MS2, 0.0)
    keep = np.exp(-1 / (RATTLE_S * rate_hz))
    ring = np.sqrt(lfilter([1 - keep], [1.0, -keep], excess**2))
    added = np.zeros((3, up_ms2.size))
    loud = np.flatnonzero(ring > 0.01)
    added[:, loud] = RATTLE_SHARE * ring[loud] * rng.standard_normal((3, loud.size))
    return added


def _held(
    force: Floats, phone: Phone, rate_hz: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Force and the direction of up, each (3, n), in device axes, through all that happens."""
    n = force.shape[1]
    felt, up = np.empty_like(force), np.empty_like(force)
    events = sorted(phone.events, key=lambda e: e.start_s)
    begins = [min(max(round(e.start_s * rate_hz), 0), n) for e in events] + [n]
    turn, mount, at = mount_rotation(phone.turn_deg), phone.mount, 0
    lie = (phone.mount_tune, rate_hz, rng)
    felt[:, : begins[0]], up[:, : begins[0]] = _lying(force, 0, begins[0], turn, mount, *lie)
    for event, (start, limit) in zip(events, pairwise(begins), strict=True):
        at = min(start + max(round(event.length_s * rate_hz), 1), limit)
        after = mount_rotation(event.turn_deg)
        if at > start:
            felt[:, start:at], up[:, start:at] = _in_hand(
                force[:, start:at], event, turn, after, rate_hz, rng
            )
        turn, mount = after, event.mount or mount
        felt[:, at:limit], up[:, at:limit] = _lying(force, at, limit, turn, mount, *lie)
    return felt, up


def _lying(
    force: Floats, start: int, stop: int, turn: Floats, mount: str, tune: float,
    rate_hz: float, rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Force and up in device axes while the phone lies in one mount, each (3, stop - start)."""
    lead = min(start, round(2 * rate_hz))  # so that its springs have settled
    kind = MOUNTS[mount]
    force = _through(force[:, start - lead : stop], kind, tune, rate_hz, rng)[:, lead:]
    up = np.repeat(np.array([[0.0], [0.0], [1.0]]), stop - start, axis=1)
    if kind.sways and stop > start:
        angle = np.radians(SWAY_DEG) * _wander(stop - start, SWAY_HZ, rate_hz, rng)
        force, up = _turned(angle, force), _turned(angle, up)
    return turn @ force, turn @ up


def _turned(angle_rad: Floats, vector: Floats) -> Floats:
    """Vectors (3, n) turned by rotation vectors (3, n), rad."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(angle_rad.T).apply(vector.T)).T


def _in_hand(
    force: Floats, event: Handling, before: Floats, after: Floats, rate_hz: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Force and up in device axes while something is done to the phone, each (3, k)."""
    from scipy.spatial.transform import Rotation

    k = force.shape[1]
    done = np.linspace(0.0, 1.0, k)
    fade = np.minimum(1.0, np.minimum(done, 1 - done) * max(k / rate_hz / 0.3, 2.0))  # 0.3 s
    if event.kind == "dropped":
        force, settled = _falling(force, rate_hz, rng)
        done = np.minimum(done / done[settled], 1.0) if done[settled] > 0 else np.ones(k)
        fade = np.where(done < 1, np.sin(np.pi * done), 0.0)
    else:
        share = MOVE_SHARE if event.kind == "moved" else 1.0
        motion = share * HAND_MS2 * _wander(k, HAND_HZ, rate_hz, rng)
        held = _through(force, HAND, 1.0, rate_hz, rng)
        force = force + fade * (held - force + motion)
        force[2] += _clunk(k, rate_hz, rng)
    eased = done**3 * (10 - 15 * done + 6 * done**2)  # least jerk (Flash and Hogan 1985)
    wobble = np.zeros((3, k))
    if event.kind != "moved":
        wobble = np.radians(HAND_DEG) * fade * _wander(k, HAND_TURN_HZ, rate_hz, rng)
    whole = Rotation.from_matrix(after @ before.T).as_rotvec()
    turn = Rotation.from_rotvec(wobble.T) * Rotation.from_rotvec(eased[:, None] * whole)
    up = turn.apply(np.tile(before[:, 2], (k, 1)))
    return np.asarray(turn.apply((before @ force).T)).T, np.asarray(up).T


def _half_sine(count: int, at: int, length: int, peak: float) -> Floats:
    """A half-sine of `length` from row `at`, (count,)."""
    x = (np.arange(count) - at + 0.5) / length
    return np.where((x > 0) & (x < 1), peak * np.sin(np.pi * np.clip(x, 0, 1)), 0.0)


def _clunk(count: int, rate_hz: float, rng: np.random.Generator) -> Floats:
    """The knock of a phone put down at the end of its handling, (count,), m/s²."""
    length = max(round(CLUNK_S * rate_hz), 1)
    return _half_sine(count, count - length, length, float(rng.uniform(*CLUNK_MS2)))


def _falling(force: Floats, rate_hz: float, rng: np.random.Generator) -> tuple[Floats, int]:
    """Force on a falling and bouncing phone, (3, k), car axes, and the row from which it rests.

    In flight it feels nothing. An impact gives back the speed of the fall and the bounce: a
    half-sine of length T and that area has the peak π v (1 + e) / (2 T).
    """
    k = force.shape[1]
    force = force.copy()
    flight = float(rng.uniform(*FALL_S))
    speed = STANDARD_GRAVITY_MS2 * flight
    length = max(round(IMPACT_S * rate_hz), 1)
    at = 0
    while at < k and flight > IMPACT_S:  # a few bounces, each a third as high
        land = min(at + round(flight * rate_hz), k)
        force[:, at:land] = 0.0
        peak = np.pi * speed * (1 + BOUNCE) * rate_hz / (2 * length)
        knock = _half_sine(k, land, length, peak)
        force += np.array([0.2 * rng.normal(), 0.2 * rng.normal(), 1.0])[:, None] * knock
        at = land + length
        speed *= BOUNCE
        flight = 2 * speed / STANDARD_GRAVITY_MS2
    return force, min(at, k - 1)


# --- the chip and the logger, on the samples


def _clock(length_s: float, phone: Phone, rng: np.random.Generator) -> tuple[Floats, Floats, Bools]:
    """When each sample is taken, how it is stamped, (m,) s, and which reach the file."""
    count = int(length_s * phone.rate_hz + 1e-9)
    late = phone.jitter / np.sqrt(2) * rng.standard_normal(count)  # intervals differ by √2 as much
    phase = rng.uniform(0.0, 1.0)
    taken = (np.arange(count) + phase + np.clip(late, -0.45, 0.45)) / phone.rate_hz
    taken = np.clip(taken, 0.0, length_s)
    last: Ints = np.arange(count) // phone.batch * phone.batch + phone.batch - 1
    stamped = taken[np.minimum(last, count - 1)] if count else taken
    starts = rng.uniform(0.0, length_s, rng.poisson(phone.gap_per_hour * length_s / 3600.0))
    ends = starts + phone.gap_s * rng.uniform(0.5, 1.5, starts.size)
    begun = np.searchsorted(np.sort(starts), taken, side="right")
    over = np.searchsorted(np.sort(ends), taken, side="right")
    return taken, stamped, begun == over


def _averaged(
    felt: Floats, taken: Floats, phone: Phone, rate_hz: float, rng: np.random.Generator
) -> Floats:
    """Force as the chip averages it at the sample times, (3, m), m/s².

    A logger slower than the chip reads the chip's latest value, up to one chip interval old.
    """
    window = min(1 / phone.rate_hz, CHIP_S)
    if window == CHIP_S:
        taken = taken - (taken + rng.uniform(0.0, CHIP_S)) % CHIP_S
    n = felt.shape[1]
    low = np.clip((taken - window / 2) * rate_hz, 0.0, n - 2)
    high = np.clip((taken + window / 2) * rate_hz, low + 1e-3, n - 1)
    area = np.zeros_like(felt)  # of straight lines between the grid's values
    np.cumsum((felt[:, 1:] + felt[:, :-1]) / 2, axis=1, out=area[:, 1:])
    return (_area_to(felt, area, high) - _area_to(felt, area, low)) / (high - low)


def _area_to(felt: Floats, area: Floats, at: Floats) -> Floats:
    """Integral of the straight lines through `felt` up to rows `at`, (3, m)."""
    row = np.minimum(at.astype(np.int64), felt.shape[1] - 2)
    part = at - row
    left, right = felt[:, row], felt[:, row + 1]
    return area[:, row] + part * left + part**2 / 2 * (right - left)


def _digitised(true: Floats, taken: Floats, phone: Phone, rng: np.random.Generator) -> Floats:
    """Readings of the chip, (3, m), m/s²: gain, offset, warming, noise, steps and range."""
    warmed = phone.drift_ms2 * rng.standard_normal(3)[:, None] * (1 - np.exp(-taken / WARM_S))
    reading = true * np.array(phone.scale)[:, None] + np.array(phone.offset_ms2)[:, None] + warmed
    reading += phone.noise_ms2 * rng.standard_normal(reading.shape)
    most = np.floor(phone.range_ms2 / phone.lsb_ms2)
    return np.asarray(np.clip(np.rint(reading / phone.lsb_ms2), -most, most) * phone.lsb_ms2 + 0.0)


def _fused(acc: Floats, up: Floats, taken: Floats, phone: Phone, rate_hz: float) -> Floats:
    """The phone's idea of gravity, (3, m), m/s²: a complementary filter of length 9.81.

    The gyroscope follows turns, `GRAVITY_LAG_S` late; the accelerometer corrects over
    `GRAVITY_TAU_S`, so its errors and the car's own long accelerations leak in.
    """
    from scipy.signal import lfilter

    grid = np.arange(up.shape[1]) / rate_hz
    late = np.stack([np.interp(taken - GRAVITY_LAG_S, grid, axis) for axis in up])
    gravity = STANDARD_GRAVITY_MS2 * late
    if gravity.shape[1] == 0:
        return gravity
    keep = np.exp(-1 / (phone.rate_hz * GRAVITY_TAU_S))
    leak = lfilter([1 - keep], [1.0, -keep], acc - gravity, axis=1)
    # It starts with the mean of its first readings, not with none.
    first = (acc - gravity)[:, : max(round(phone.rate_hz / 2), 1)].mean(axis=1)
    leak += first[:, None] * keep ** np.arange(1, acc.shape[1] + 1)
    gravity = gravity + leak
    return np.asarray(STANDARD_GRAVITY_MS2 * gravity / np.linalg.norm(gravity, axis=0))
