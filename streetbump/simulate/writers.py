"""Simulated trips as the bytes a logger would have written."""

from __future__ import annotations

import numpy as np

from streetbump.simulate.trip import SimulatedTrip

HEADER = "t,ax,ay,az,lat,lon,speed,heading,accuracy"
"""Columns of the plain CSV (its contract is in the format documentation)."""


def plain_csv(trip: SimulatedTrip, *, device: str, start_utc_s: float, decimals: int = 3) -> bytes:
    r"""The plain CSV of a trip, UTF-8, marked as synthetic.

    Parameters
    ----------
    device : str
        Name in the ``# device:`` line.
    start_utc_s : float
        Seconds since 1970 UTC at the trip's time 0.
    decimals : int
        Of the accelerations.

    >>> one = SimulatedTrip(np.zeros(1), np.array([[0.0, 0.1, 9.81]]), np.array([], dtype=int),
    ...                     *[np.array([])] * 5)
    >>> plain_csv(one, device="d", start_utc_s=5.0).splitlines()[-1]
    b'5.000,0.000,0.100,9.810,,,,,'
    """
    fixes = dict(zip(trip.fix_row.tolist(), _fix_cells(trip), strict=True))
    times = (trip.t_s + start_utc_s).tolist()
    # A loop over samples: text is made row by row.
    rows = [
        f"{t:.3f},{x:.{decimals}f},{y:.{decimals}f},{z:.{decimals}f},{fixes.get(i, ',,,,')}"
        for i, (t, (x, y, z)) in enumerate(zip(times, trip.acc_ms2.tolist(), strict=True))
    ]
    top = ["# streetbump-csv 1", f"# device: {device}", "# synthetic: yes", HEADER]
    return ("\n".join(top + rows) + "\n").encode()


def _fix_cells(trip: SimulatedTrip) -> list[str]:
    """Text of the five position cells of each fix; an unknown heading stays empty."""
    columns = (trip.lat_deg, trip.lon_deg, trip.speed_ms, trip.heading_deg, trip.accuracy_m)
    return [
        f"{lat:.7f},{lon:.7f},{v:.2f},{'' if np.isnan(h) else f'{h:.2f}'},{acc:.1f}"
        for lat, lon, v, h, acc in zip(*(c.tolist() for c in columns), strict=True)
    ]
