"""What a road's surface is like under the two wheel paths of a lane, before anything breaks in it.

Heights are relative to a flat road; waves longer than 90 m are left out, as no phone feels them.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import Floats

STEP_M = 0.02
"""Spacing of height profiles, m. Chosen by us: a tenth of a tyre's contact patch."""

ISO_N0 = 0.1
"""Reference spatial frequency of ISO 8608, cycles/m."""

ISO_BAND = (0.011, 2.83)
"""Spatial frequencies that ISO 8608 covers, cycles/m."""

ISO_GD = {"A": 16e-6, "B": 64e-6, "C": 256e-6, "D": 1024e-6}
"""Geometric mean displacement density of the road classes at `ISO_N0`, m³ (ISO 8608)."""

STONE_GD = (1000e-6, 4000e-6)
UNMADE_GD = (3500e-6, 6000e-6)
"""Density at `ISO_N0` of stone-paved and of unmade roads, m³: classes D-E and E of ISO 8608.
Calibrated (docs/simulator.md)."""

WAVINESS = 2.15
"""How the density falls with the spatial frequency. ISO 8608 fits 2 to every road; measured ones
spread over 1.5-3.5 (Andrén 2006, doi 10.1504/IJVD.2006.008450). Calibrated (docs/simulator.md)."""

ALIKE_BELOW = 0.2
"""Two wheel paths share the waves well under this and not those well over it, cycles/m: paths
1.5 m apart cannot differ much over 5 m. Chosen by us."""

UNEVEN = 0.4
"""Standard deviation of the logarithm of the roughness along a street: surfaces are not
stationary, and a few metres in a hundred are much worse. Chosen by us."""

UNEVEN_M = 12.0
"""Distance over which roughness comes and goes, m. Chosen by us."""

TAPER_M = 4.0
"""A profile fades to nothing this near the ends of a street, m, so that streets join evenly."""


def roughness(length_m: float, *, gd_m3: float, rng: np.random.Generator) -> Floats:
    """Height of one wheel path every `STEP_M`, m, in the band of ISO 8608.

    Gaussian white noise is shaped in the frequency domain to
    ``Gd(n) = gd_m3 * (n / 0.1)**-WAVINESS`` inside 0.011-2.83 cycles/m.

    >>> roughness(100.0, gd_m3=0.0, rng=np.random.default_rng(0)).any()
    np.False_
    """
    count = round(length_m / STEP_M) + 1
    return np.asarray(np.fft.irfft(_spectrum(count, gd_m3=gd_m3, rng=rng), count))


def _spectrum(count: int, *, gd_m3: float, rng: np.random.Generator) -> Floats:
    n = np.fft.rfftfreq(count, STEP_M)
    inside = (n >= ISO_BAND[0]) & (n <= ISO_BAND[1])
    density = np.zeros_like(n)
    density[inside] = gd_m3 * (n[inside] / ISO_N0) ** -WAVINESS
    white = np.fft.rfft(rng.standard_normal(count))
    # One-sided density S and spacing d: |X|² = S · count / (2 d), white noise has |X|² = count.
    return np.asarray(white * np.sqrt(density / (2 * STEP_M)))


def wheel_paths(length_m: float, *, gd_m3: float, rng: np.random.Generator) -> Floats:
    """Heights of the left and right wheel path, (2, n), m, every `STEP_M`.

    Each has the density `gd_m3`; what they share fades around `ALIKE_BELOW`. The roughness swells
    and ebbs along the street, and fades within `TAPER_M` of both ends.

    >>> wheel_paths(10.0, gd_m3=0.0, rng=np.random.default_rng(0)).shape
    (2, 501)
    """
    count = round(length_m / STEP_M) + 1
    common, left, right = (_spectrum(count, gd_m3=gd_m3, rng=rng) for _ in range(3))
    n = np.fft.rfftfreq(count, STEP_M)
    share = 1 / (1 + (n / ALIKE_BELOW) ** 4)
    own = np.sqrt(1 - share)
    both = [np.fft.irfft(np.sqrt(share) * common + own * side, count) for side in (left, right)]
    return np.asarray(both) * _envelope(count, rng=rng)


def _envelope(count: int, *, rng: np.random.Generator) -> Floats:
    """How rough each point is against the street's mean; its mean square is 1 but for the ends."""
    along = np.arange(count) * STEP_M
    knots = rng.standard_normal(int(along[-1] / UNEVEN_M) + 2)
    swell = np.exp(UNEVEN * np.interp(along / UNEVEN_M, np.arange(knots.size), knots))
    swell /= np.sqrt(np.mean(swell**2))
    end = np.clip(np.minimum(along, along[-1] - along) / TAPER_M, 0.0, 1.0)
    return np.asarray(swell * (0.5 - 0.5 * np.cos(np.pi * end)))
