"""Claims about what a simulated phone records."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.simulate.phone import (
    BOUNCE,
    CHIP_S,
    ENGINE_HZ,
    GRAVITY_TAU_S,
    MOUNTS,
    RATTLE_MS2,
    WARM_S,
    Handling,
    Phone,
    mount_rotation,
    noise_rms,
    random_phone,
    record,
    through_spring,
)

HZ = 500.0
UP = np.array([0.0, 0.0, STANDARD_GRAVITY_MS2])
QUIET = Phone(100.0, noise_ms2=0.0, jitter=0.0, lsb_ms2=1e-4)


def rest(length_s=20.0) -> np.ndarray:
    return np.tile(UP, (int(length_s * HZ), 1))


def wave(frequency_hz, *, size=1.0, length_s=20.0, rate_hz=HZ) -> np.ndarray:
    """A car that shakes up and down at one frequency."""
    force = rest(length_s * rate_hz / HZ)
    force[:, 2] += size * np.sin(2 * np.pi * frequency_hz * np.arange(len(force)) / rate_hz)
    return force


def recorded(force, phone, seed=0, rate_hz=HZ):
    return record(force, rate_hz=rate_hz, phone=phone, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    "turn_deg",
    [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (20.0, 70.0, 0.0), (90.0, -60.0, 145.0)],
    ids=str,
)
def test_a_standing_phone_reads_gravity_upwards(turn_deg, mount):
    """At rest any phone reads 9.81 along the axis that points up, and thinks so; a body sways."""
    samples = recorded(rest(), replace(QUIET, turn_deg=turn_deg, mount=mount))
    up = mount_rotation(turn_deg) @ UP
    near = 2.5 if MOUNTS[mount].sways else 1e-4
    assert samples.acc_ms2 == pytest.approx(np.tile(up, (2000, 1)), abs=near)
    assert samples.gravity_ms2 == pytest.approx(np.tile(up, (2000, 1)), abs=near)
    assert np.linalg.norm(samples.acc_ms2, axis=1) == pytest.approx(9.80665, abs=2e-4)


def test_a_mount_s_axes_are_a_rotation():
    """Every mounting keeps lengths and handedness."""
    for turn in np.random.default_rng(0).uniform(-180, 180, (50, 3)):
        r = mount_rotation(tuple(turn))
        assert r @ r.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(r) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("rate_hz", [5.0, 10.0, 50.0, 100.0, 400.0])
def test_the_rate_is_the_phone_s(rate_hz):
    """A phone writes `rate_hz` samples a second, evenly without jitter."""
    t = recorded(rest(), replace(QUIET, rate_hz=rate_hz)).t_s
    assert t.size == 20 * rate_hz
    assert np.diff(t)[:-1] == pytest.approx(1 / rate_hz, abs=1e-9)


def test_intervals_spread_by_the_jitter():
    """The sd of the interval over the interval is `jitter`, and time never falls."""
    t = recorded(rest(200.0), replace(QUIET, jitter=0.1)).t_s
    assert np.std(np.diff(t)) * 100.0 == pytest.approx(0.1, abs=0.003)
    wild = recorded(rest(200.0), replace(QUIET, jitter=0.6)).t_s
    assert (np.diff(wild) >= 0).all()


def test_batches_have_one_stamp_and_their_own_values():
    """Samples of a batch share the time of its last, and still differ as the force did."""
    force = wave(2.0)
    alone = recorded(force, QUIET)
    batched = recorded(force, replace(QUIET, batch=8))
    assert batched.acc_ms2.tolist() == alone.acc_ms2.tolist()
    assert batched.t_s[:8].tolist() == [alone.t_s[7]] * 8
    assert np.unique(batched.t_s).size == 250


def test_gaps_last_as_long_as_set():
    """Gaps come `gap_per_hour` times and last half to one and a half times `gap_s`."""
    t = recorded(rest(4000.0), replace(QUIET, rate_hz=10.0, gap_per_hour=30.0, gap_s=4.0)).t_s
    gaps = np.diff(t)[np.diff(t) > 0.15]
    assert gaps.size == pytest.approx(33, abs=12)
    assert gaps.min() > 1.9
    assert gaps.mean() == pytest.approx(4.1, abs=0.6)


def test_noise_follows_from_the_data_sheet_s_density():
    """150 µg/√Hz over 25 Hz is 7.4 mm/s² rms, and so much shows in a recording at rest."""
    assert noise_rms(150.0, rate_hz=50.0) == pytest.approx(150e-6 * 9.80665 * 5, abs=1e-9)
    assert noise_rms(150.0, rate_hz=5.0) == noise_rms(150.0, rate_hz=1 / CHIP_S)
    noise = noise_rms(150.0, rate_hz=50.0)
    samples = recorded(rest(100.0), replace(QUIET, rate_hz=50.0, noise_ms2=noise))
    assert samples.acc_ms2.std(axis=0) == pytest.approx(noise, rel=0.05, abs=0)


def test_gain_and_offset_are_the_chip_s_own():
    """Gain and offset act on device axes, after the mounting."""
    phone = replace(QUIET, turn_deg=(0.0, 90.0, 0.0), scale=(1.0, 1.01, 1.0),
                    offset_ms2=(0.1, 0.2, -0.3))  # fmt: skip
    expected = [0.1, 1.01 * 9.80665 + 0.2, -0.3]
    assert recorded(rest(1.0), phone).acc_ms2[50] == pytest.approx(expected, abs=1e-4)


def test_a_phone_warms_up():
    """The offset that warming adds has the sd `drift_ms2`, and two thirds of it after WARM_S."""
    phone = replace(QUIET, rate_hz=5.0, drift_ms2=0.05)
    force = rest(WARM_S)
    ends = [recorded(force, phone, seed=s).acc_ms2[-1] - UP for s in range(60)]
    assert np.std(ends) == pytest.approx(0.05 * (1 - 1 / np.e), rel=0.2, abs=0)


def test_readings_clip_at_the_range():
    """No reading passes the range, and a force beyond reads exactly the last step within."""
    phone = replace(QUIET, lsb_ms2=0.03, range_ms2=2 * STANDARD_GRAVITY_MS2)
    acc = recorded(wave(1.0, size=40.0), phone).acc_ms2[:, 2]
    last = np.floor(phone.range_ms2 / 0.03) * 0.03
    assert acc.max() == pytest.approx(last, abs=1e-9)
    assert acc.min() == pytest.approx(-last, abs=1e-9)
    assert np.mean(acc == acc.max()) > 0.2


def test_readings_are_whole_steps():
    """Every reading is a whole number of quantisation steps."""
    phone = replace(QUIET, noise_ms2=0.05, lsb_ms2=0.0383)
    steps = recorded(rest(5.0), phone).acc_ms2 / 0.0383
    assert steps == pytest.approx(np.rint(steps), abs=1e-6)


@pytest.mark.parametrize(
    ("rate_hz", "frequency_hz"),
    [(100.0, 30.0), (100.0, 5.0), (200.0, 60.0), (50.0, 12.0)],
)
def test_a_fast_phone_averages_over_its_interval(rate_hz, frequency_hz):
    """A shake at f comes through a window w with the gain sin(πfw) / (πfw)."""
    force = wave(frequency_hz, rate_hz=4 * HZ)
    acc = recorded(force, replace(QUIET, rate_hz=rate_hz), rate_hz=4 * HZ).acc_ms2[:, 2]
    gain = np.sinc(frequency_hz / rate_hz)
    assert np.std(acc) * np.sqrt(2) == pytest.approx(gain, rel=0.02, abs=0)


def test_a_slow_phone_aliases():
    """At 5 Hz a shake of 8 Hz keeps its strength and shows as another frequency."""
    acc = recorded(wave(8.0, length_s=200.0), replace(QUIET, rate_hz=5.0)).acc_ms2[:, 2]
    assert np.std(acc) * np.sqrt(2) == pytest.approx(np.sinc(8 * CHIP_S), abs=0.06)


def test_a_slow_phone_is_at_most_one_chip_interval_late():
    """A logger slower than the chip writes a value that is 0 to 20 ms old."""
    force = rest(100.0)
    force[:, 0] = np.arange(len(force)) / HZ  # reads the time
    samples = recorded(force, replace(QUIET, rate_hz=16.7, range_ms2=200.0))
    age = (samples.t_s - samples.acc_ms2[:, 0])[1:-1]
    assert age.min() > -0.001
    assert age.max() < CHIP_S + 0.001
    assert age.mean() == pytest.approx(CHIP_S / 2, abs=0.003)


def test_a_jolt_keeps_its_time_and_area():
    """A pulse is found when it was, with its area, at any rate that resolves it."""
    for rate in (50.0, 100.0, 400.0):
        force = rest(10.0)
        force[2500:2600, 2] += 3.0
        phone = replace(QUIET, rate_hz=rate, jitter=0.02)
        samples = recorded(force, phone)
        jolt = samples.acc_ms2[:, 2] - STANDARD_GRAVITY_MS2
        assert jolt.sum() / rate == pytest.approx(0.6, abs=0.06)
        assert (jolt @ samples.t_s) / jolt.sum() == pytest.approx(5.1, abs=0.015)


def transmissibility(frequency_hz, *, natural_hz, damping):
    """Acceleration of a mass on a spring and a damper over that of its base.

    ``√((1 + (2ζr)²) / ((1 - r²)² + (2ζr)²))`` with r the ratio of the frequencies (Rao 2011,
    "Mechanical Vibrations", section 3.6): 1 at rest, a peak near r = 1, softening above r = √2.
    """
    r = frequency_hz / natural_hz
    rub = (2 * damping * r) ** 2
    return np.sqrt((1 + rub) / ((1 - r**2) ** 2 + rub))


@pytest.mark.parametrize("name", [n for n, m in MOUNTS.items() if any(m.hz) and not m.sways])
@pytest.mark.parametrize("frequency_hz", [0.5, 4.0, 12.0, 25.0, 60.0])
def test_a_mount_passes_on_what_theory_says(name, frequency_hz):
    """A soft mount's gain is that of a base-excited spring: 1 slowly, then a peak, then less."""
    mount = MOUNTS[name]
    phone = replace(QUIET, rate_hz=400.0, mount=name)
    force = wave(frequency_hz, rate_hz=4 * HZ)
    felt = recorded(force, phone, rate_hz=4 * HZ).acc_ms2[2000:, 2]
    gain = transmissibility(np.array(frequency_hz), natural_hz=mount.hz[2], damping=mount.damping)
    gain = gain * np.sinc(frequency_hz / 400.0)
    assert np.std(felt) * np.sqrt(2) == pytest.approx(float(gain), rel=0.02, abs=0.002)


def test_a_spring_leaves_slow_forces_alone():
    """At rest the gain of a mount is exactly 1, from the first sample on."""
    felt = through_spring(np.full(1000, 9.81), natural_hz=5.0, damping=0.4, rate_hz=HZ)
    assert felt == pytest.approx(9.81, abs=1e-12)


def test_a_cradle_rings_and_a_pocket_softens():
    """At 18 Hz a cradle shakes the phone more than the car does, a pocket far less."""
    shake = {
        m: np.std(recorded(wave(18.0), replace(QUIET, mount=m)).acc_ms2[500:, 2] - 9.8)
        for m in ("rigid", "cradle", "pocket")
    }
    assert shake["cradle"] > 4 * shake["rigid"]
    assert shake["pocket"] < 0.4 * shake["rigid"]


def test_a_loose_phone_rattles_only_when_jolted():
    """In a cup holder a gentle road changes nothing; a hard jolt adds noise on every axis."""
    loose = replace(QUIET, mount="cupholder")
    gentle = wave(2.0, size=0.9 * RATTLE_MS2)
    assert recorded(gentle, loose).acc_ms2[:, 0] == pytest.approx(0.0, abs=1e-9)
    hard = recorded(wave(2.0, size=3 * RATTLE_MS2), loose).acc_ms2
    assert 0.1 < np.std(hard[:, 0]) < 1.5


def test_an_idling_engine_is_a_narrow_line():
    """The engine shakes by its amplitude at most, at 20-30 Hz."""
    samples = recorded(rest(60.0), replace(QUIET, rate_hz=200.0, engine_ms2=0.1))
    shake = samples.acc_ms2 - UP
    assert 0.02 < np.abs(shake).max() < 0.25
    power = np.abs(np.fft.rfft(shake[:, 2])) ** 2
    hz = np.fft.rfftfreq(shake.shape[0], 1 / 200.0)
    near = (hz > ENGINE_HZ[0] * 0.8) & (hz < ENGINE_HZ[1] * 1.2)
    assert power[near].sum() > 0.98 * power[1:].sum()


@pytest.mark.parametrize("kind", ["moved", "handled", "dropped"])
def test_afterwards_gravity_turns_to_the_new_mounting(kind):
    """Before, the phone reads the old mounting, afterwards the new one, and so does its gravity."""
    after = (30.0, 65.0, -20.0)
    event = Handling(10.0, 3.0, kind, after)
    samples = recorded(rest(40.0), replace(QUIET, turn_deg=(0.0, 0.0, 90.0), events=(event,)))
    t = samples.t_s
    old, new = mount_rotation((0.0, 0.0, 90.0)) @ UP, mount_rotation(after) @ UP
    for stream, patience in ((samples.acc_ms2, 0.02), (samples.gravity_ms2, 6 * GRAVITY_TAU_S)):
        before = stream[t < 9.9]
        later = stream[t > 13.0 + patience]
        assert before == pytest.approx(np.tile(old, (len(before), 1)), abs=0.01)
        assert later == pytest.approx(np.tile(new, (len(later), 1)), abs=0.15)
    assert np.linalg.norm(samples.gravity_ms2, axis=1) == pytest.approx(9.80665, abs=1e-9)


def test_a_phone_that_is_put_elsewhere_turns_smoothly():
    """While it is moved, the phone's gravity turns without a jump, about 0.1 s late."""
    event = Handling(10.0, 2.0, "moved", (0.0, 90.0, 0.0))
    samples = recorded(rest(20.0), replace(QUIET, events=(event,)))
    angle = np.degrees(np.arctan2(samples.gravity_ms2[:, 1], samples.gravity_ms2[:, 2]))
    assert np.abs(np.diff(angle)).max() < 1.5
    assert samples.t_s[np.argmax(angle > 45.0)] == pytest.approx(11.1, abs=0.1)


def test_a_handled_phone_moves_slowly_and_by_some_ms2():
    """A hand moves the phone by a few m/s², nearly all of it below 10 Hz."""
    event = Handling(5.0, 40.0, "handled", (0.0, 0.0, 0.0))
    samples = recorded(rest(50.0), replace(QUIET, events=(event,)), seed=4)
    busy = (samples.t_s > 6) & (samples.t_s < 44)
    own = np.linalg.norm(samples.acc_ms2[busy], axis=1) - STANDARD_GRAVITY_MS2
    assert 0.7 < np.std(own) < 4.0
    power = np.abs(np.fft.rfft(own - own.mean())) ** 2
    hz = np.fft.rfftfreq(own.size, 0.01)
    assert power[hz < 10].sum() > 0.9 * power.sum()
    up = samples.gravity_ms2[busy, 2] / STANDARD_GRAVITY_MS2
    assert np.degrees(np.arccos(up.min())) > 10.0


def test_a_dropped_phone_falls_freely_and_then_hits():
    """A drop reads nothing for 0.1-0.3 s, then impacts that clip, each bounce weaker."""
    event = Handling(5.0, 2.0, "dropped", (0.0, 180.0, 0.0), "rigid")
    for seed in range(10):
        phone = replace(QUIET, rate_hz=400.0, events=(event,))
        samples = recorded(rest(10.0), phone, seed=seed)
        size = np.linalg.norm(samples.acc_ms2, axis=1)
        first = samples.t_s[np.argmax(size > 20.0)]
        assert 0.09 <= first - 5.0 <= 0.32
        falling = (samples.t_s > 5.01) & (samples.t_s < first - 0.01)
        assert size[falling] == pytest.approx(0.0, abs=1e-3)
        assert np.abs(samples.acc_ms2).max() > 0.9 * phone.range_ms2
        assert size[samples.t_s > 7.01] == pytest.approx(9.807, abs=0.01)


def test_an_impact_gives_back_the_speed_of_the_fall():
    """Over all impacts and flights of a drop the mean force is gravity: it starts and ends at rest.

    The impulse of the impacts is the momentum of the fall and of every bounce.
    """
    event = Handling(5.0, 3.0, "dropped", (0.0, 0.0, 0.0))
    phone = replace(QUIET, rate_hz=400.0, range_ms2=1e5, events=(event,))
    for seed in range(5):
        samples = recorded(rest(10.0), phone, seed=seed)
        size = np.linalg.norm(samples.acc_ms2, axis=1)
        fallen = samples.t_s[np.argmax(size > 20.0)] - 5.0
        gained = np.sum(size - STANDARD_GRAVITY_MS2) / 400.0
        # Sideways friction adds a little; the last small bounces are left out.
        assert gained == pytest.approx(0.0, abs=0.35 * STANDARD_GRAVITY_MS2 * fallen)
        assert gained > -BOUNCE * STANDARD_GRAVITY_MS2 * fallen


def test_a_new_mount_holds_from_then_on():
    """A phone that falls from its cradle onto a seat no longer rings as a cradle does."""
    event = Handling(10.0, 2.0, "dropped", (0.0, 0.0, 0.0), "seat")
    phone = replace(QUIET, mount="cradle", events=(event,))
    samples = recorded(wave(18.0, length_s=30.0), phone)
    before = np.std(samples.acc_ms2[samples.t_s < 9.9, 2])
    after = np.std(samples.acc_ms2[samples.t_s > 12.1, 2])
    assert before > 4 * after


def test_events_may_touch_and_pass_the_end():
    """Events one after the other, overlapping or beyond the end leave every sample finite."""
    events = (
        Handling(0.0, 1.0, "moved", (0.0, 10.0, 0.0)),
        Handling(1.0, 3.0, "handled", (0.0, 20.0, 0.0)),
        Handling(2.0, 2.0, "dropped", (0.0, 30.0, 0.0), "seat"),
        Handling(9.9, 5.0, "handled", (0.0, 0.0, 0.0)),
        Handling(50.0, 5.0, "dropped", (0.0, 0.0, 0.0)),
    )
    samples = recorded(rest(10.0), replace(QUIET, events=events))
    assert samples.t_s.size == 1000
    assert np.isfinite(samples.acc_ms2).all()
    assert np.isfinite(samples.gravity_ms2).all()


def test_long_braking_tilts_the_phone_s_gravity():
    """Braking with a tilts the fused gravity towards atan(a / g), over GRAVITY_TAU_S."""
    force = rest(60.0)
    force[10_000:, 1] = -3.0
    samples = recorded(force, QUIET)
    tilt = -samples.gravity_ms2[:, 1] / samples.gravity_ms2[:, 2]
    at = np.interp([20.0, 20.0 + GRAVITY_TAU_S, 50.0], samples.t_s, tilt)
    full = 3.0 / STANDARD_GRAVITY_MS2
    assert at == pytest.approx([0.0, full * (1 - 1 / np.e), full], abs=0.01)


def test_turning_the_phone_changes_only_the_axes():
    """The same drive in another mounting gives the same forces in other axes."""
    force = wave(3.0)
    force[:, 1] += np.linspace(-2, 2, len(force))
    flat = recorded(force, QUIET).acc_ms2
    turned = recorded(force, replace(QUIET, turn_deg=(40.0, 70.0, -15.0))).acc_ms2
    assert turned @ mount_rotation((40.0, 70.0, -15.0)) == pytest.approx(flat, abs=3e-4)


def test_the_same_generator_gives_the_same_bytes():
    """The same generator state gives the same phone and samples, another one others."""

    def dump(seed):
        rng = np.random.default_rng(seed)
        phone = random_phone(rng, length_s=600.0)
        samples = record(wave(3.0), rate_hz=HZ, phone=phone, rng=rng)
        return b"".join(c.tobytes() for c in astuple(samples))

    assert dump(5) == dump(5)
    assert dump(5) != dump(6)


def test_the_force_is_not_written_to():
    """The caller's force is left as it was."""
    force = wave(3.0)
    before = force.copy()
    event = Handling(5.0, 2.0, "dropped", (0.0, 0.0, 0.0))
    recorded(force, replace(QUIET, engine_ms2=0.1, mount="cupholder", events=(event,)))
    assert force.tobytes() == before.tobytes()


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_a_drive_too_short_for_a_sample_gives_none(count):
    """No force, or less of it than one interval, gives empty columns."""
    samples = record(
        rest()[:count], rate_hz=HZ, phone=replace(QUIET, rate_hz=5.0, batch=3),
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert [c.shape for c in astuple(samples)] == [(0,), (0, 3), (0, 3)]


def test_every_phone_of_the_population_records():
    """Phones stay within the contract's ranges; their samples are finite, in range and in order."""
    force = wave(3.0, length_s=60.0)
    for seed in range(150):
        rng = np.random.default_rng(seed)
        phone = random_phone(rng, length_s=60.0)
        assert 5.0 <= phone.rate_hz <= 400.0
        assert 0.9 < min(phone.scale) <= max(phone.scale) < 1.1
        samples = record(force, rate_hz=HZ, phone=phone, rng=rng)
        assert (np.diff(samples.t_s) >= 0).all()
        assert np.isfinite(samples.acc_ms2).all()
        assert np.abs(samples.acc_ms2).max() <= phone.range_ms2
        assert np.linalg.norm(samples.gravity_ms2, axis=1) == pytest.approx(9.80665, abs=1e-9)


def test_the_population_is_as_contributors_are():
    """Most phones sample at 50 or 100 Hz; every mount, platform and mishap occurs."""
    phones = [random_phone(np.random.default_rng(s), length_s=600.0) for s in range(1500)]
    rates = np.array([p.rate_hz for p in phones])
    usual = (np.abs(rates - 50) < 2) | (np.abs(rates - 100) < 4)
    assert 0.5 < usual.mean() < 0.8
    assert (rates < 12).mean() > 0.04
    assert (rates > 190).mean() > 0.04
    assert {p.mount for p in phones} == set(MOUNTS)
    assert {p.platform for p in phones} == {"android", "ios"}
    events = [e for p in phones for e in p.events]
    assert {e.kind for e in events} == {"moved", "handled", "dropped"}
    assert 0.2 < len(events) / len(phones) < 0.6


def test_events_of_a_random_phone_do_not_overlap():
    """What happens to a random phone happens one after the other."""
    for seed in range(50):
        events = random_phone(np.random.default_rng(seed), length_s=7200.0).events
        ends = [e.start_s + e.length_s for e in events]
        assert all(nxt.start_s > end for end, nxt in zip(ends[:-1], events[1:], strict=True))
