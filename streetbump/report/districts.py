"""Districts side by side: how much was looked at, what is reported, and how fair that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from streetbump.geo import bin_centre
from streetbump.model import Floats, Ints
from streetbump.report.coverage import ENOUGH_VEHICLE_DAYS

COLUMNS = (
    "district", "street_km", "driven_km", "driven_share", "seen_km", "passes", "devices",
    "vehicle_days", "median_days_since", "reports", "reports_per_1000_passes",
    "reports_per_seen_km", "per_seen_km_lo", "per_seen_km_hi", "disparity", "disparity_lo",
    "disparity_hi",
)  # fmt: skip

WHOLE = "(all shown)"
"""The districts that are shown, together: with the others one could be told by subtraction."""


def district_of(lat_deg: Floats, lon_deg: Floats, shapes: Sequence[Any]) -> Ints:
    """Number of the first polygon that holds each position; -1 where none does.

    >>> import shapely
    >>> district_of(np.array([0.5, 2.0]), np.array([0.5, 0.5]), [shapely.box(0, 0, 1, 1)]).tolist()
    [0, -1]
    """
    import shapely

    number = np.full(len(lat_deg), -1)
    for k, shape in enumerate(shapes):  # one step per district
        inside = shapely.contains_xy(shape, lon_deg, lat_deg) if shape is not None else False
        number[(number < 0) & inside] = k
    return number


def votes(driven: pd.DataFrame, shapes: Sequence[Any]) -> pd.DataFrame:
    """Who drove in which district on which day: columns district, voter, named, day; no repeats.

    `driven` is what ``coverage.visits`` gave. Parts of a city can be put one below the other and
    counted together, once repeats are dropped.
    """
    bins, of = np.unique(driven["bin"].to_numpy(), return_inverse=True)
    district = district_of(*bin_centre(bins), shapes)[of]
    found = driven[["voter", "named", "day"]].assign(district=district)
    return found[district >= 0].drop_duplicates(ignore_index=True)


def districts(
    table: pd.DataFrame,
    who: pd.DataFrame,
    reports: pd.DataFrame,
    *,
    names: Sequence[str],
    shapes: Sequence[Any],
    today: str,
    k: int,
    has_streets: bool,
) -> pd.DataFrame:
    """One row per district and one for all that are shown, in `COLUMNS`.

    Parameters
    ----------
    table : DataFrame
        Coverage by bin and direction, or by stretch of street (`has_streets`).
    who : DataFrame
        What :func:`votes` gave, for the whole city.
    reports : DataFrame
        ``lat_deg, lon_deg`` of each place that is or would be reported.
    k : int
        A district that fewer named devices drove in shows its streets and nothing else.

    Returns
    -------
    DataFrame
        `seen_km` is street driven by at least ``ENOUGH_VEHICLE_DAYS``: where a defect would have
        been seen. `reports_per_seen_km` has a 90 % interval (Poisson, Jeffreys prior);
        `disparity` is its ratio to that of all shown districts together.
    """
    once = table.sort_values(["vehicle_days", "passes"], ascending=False, kind="stable")
    once = once.drop_duplicates(["lat_deg", "lon_deg"])
    at = district_of(once["lat_deg"].to_numpy(), once["lon_deg"].to_numpy(), shapes)
    every = district_of(table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy(), shapes)
    holes = district_of(
        reports["lat_deg"].to_numpy(float), reports["lon_deg"].to_numpy(float), shapes
    )
    enough = who[who["named"]].groupby("district")["voter"].nunique()
    together = enough.index[enough >= k].tolist()
    rows = []
    for name, of in (*((n, [d]) for d, n in enumerate(names)), (WHOLE, together)):
        rows.append(
            _row(
                name, once[np.isin(at, of)], table[np.isin(every, of)],
                int(np.isin(holes, of).sum()), who[who["district"].isin(of)],
                today=today, k=k, streets=has_streets,
            )
        )  # fmt: skip
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    whole = found["reports_per_seen_km"].iloc[-1]
    for ratio, rate in (("disparity", "reports_per_seen_km"), ("disparity_lo", "per_seen_km_lo"),
                        ("disparity_hi", "per_seen_km_hi")):  # fmt: skip
        found[ratio] = np.round(found[rate].astype(float) / (whole if whole else np.nan), 3)
    return found


def _row(
    name: str, once: pd.DataFrame, every: pd.DataFrame, reports: int, who: pd.DataFrame,
    *, today: str, k: int, streets: bool,
) -> dict[str, Any]:  # fmt: skip
    km = once["length_m"] / 1000
    row: dict[str, Any] = {"district": name, "street_km": round(km.sum(), 3) if streets else None}
    devices = int(who[who["named"]]["voter"].nunique())
    if devices < k:
        return row
    driven = float(km[once["state"] != "unknown"].sum())
    seen = float(km[once["vehicle_days"] >= ENOUGH_VEHICLE_DAYS].sum())
    since = (pd.Timestamp(today) - pd.to_datetime(once["last_day"])).dt.days
    passes = int(every["passes"].sum())
    lo, hi = poisson_interval(reports)
    return {
        **row,
        "driven_km": round(driven, 3),
        "driven_share": round(driven / km.sum(), 4) if streets and km.sum() else None,
        "seen_km": round(seen, 3),
        "passes": passes,
        "devices": devices,
        "vehicle_days": len(who.drop_duplicates(["voter", "day"])),
        "median_days_since": float(since.median()),
        "reports": reports,
        "reports_per_1000_passes": round(1000 * reports / passes, 3) if passes else None,
        "reports_per_seen_km": round(reports / seen, 4) if seen else None,
        "per_seen_km_lo": round(lo / seen, 4) if seen else None,
        "per_seen_km_hi": round(hi / seen, 4) if seen else None,
    }


def people(rows: pd.DataFrame) -> pd.DataFrame:
    """Districts as a person reads them."""

    def span(value: str, lo: str, hi: str) -> list[str | None]:
        return [None if v != v or v is None else f"{v:.2f} ({a:.2f} to {b:.2f})"
                for v, a, b in zip(rows[value], rows[lo], rows[hi], strict=True)]  # fmt: skip

    return pd.DataFrame(
        {
            "district": rows["district"],
            "km": rows["street_km"],
            "driven": [None if v is None or v != v else f"{v:.0%}" for v in rows["driven_share"]],
            "seen km": rows["seen_km"],
            "vehicle-days": rows["vehicle_days"],
            "days since": rows["median_days_since"],
            "reports": rows["reports"],
            "per 1000 passes": rows["reports_per_1000_passes"],
            "per seen km (90 %)": span("reports_per_seen_km", "per_seen_km_lo", "per_seen_km_hi"),
            "to the whole": span("disparity", "disparity_lo", "disparity_hi"),
        }
    )


def poisson_interval(count: int) -> tuple[float, float]:
    """Ends of the 90 % interval of a Poisson mean from one count, Jeffreys prior.

    >>> [round(v, 2) for v in poisson_interval(0)], [round(v, 1) for v in poisson_interval(10)]
    ([0.0, 1.92], [5.8, 16.3])
    """
    from scipy.special import gammaincinv

    lo = float(gammaincinv(count + 0.5, 0.05)) if count else 0.0
    return lo, float(gammaincinv(count + 0.5, 0.95))
