"""Why the system says what it says of a place: the passes behind it, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd


def explain_place(
    place: Mapping[str, Any],
    clusters: pd.DataFrame,
    members: pd.DataFrame,
    *,
    handles: Mapping[int, str],
    history: Sequence[Mapping[str, Any]],
    request: Mapping[str, Any] | None,
) -> str:
    """Sentences and small tables about one place, for an analyst.

    Trips are named by their random handles, hits are dated to the day: what is printed here may
    lie on a desk.
    """
    lines = [
        f"{place['place_id']}  {place['class']}, {place['state'].replace('_', ' ')}"
        f"  (episode {place['episode']})",
        f"  at {place['lat_deg']:.6f}, {place['lon_deg']:.6f}: {place['why'] or 'no remark'}",
    ]
    for _, c in clusters.iterrows():
        lines += _cluster_lines(c, members[members["cluster_id"] == c["cluster_id"]], handles)
    if request is not None:
        lines += ["", "Request", *(f"  {k}: {v}" for k, v in request.items() if v is not None)]
    lines += ["", "History"]
    for h in history:
        day = pd.Timestamp(h["at_ns"], unit="ns", tz="UTC").strftime("%Y-%m-%d")
        lines.append(f"  {day}  {h['state']}  {h['why']}")
    return "\n".join(lines) + "\n"


def _cluster_lines(c: pd.Series, hits: pd.DataFrame, handles: Mapping[int, str]) -> list[str]:
    lines = [
        "",
        f"Heading {c['heading_deg']:.0f}°: {c['hits']} of {c['passes']} passes jolted"
        f" (hit rate {c['hit_rate']:.2f}, 90 % between {c['hit_rate_lo']:.2f} and"
        f" {c['hit_rate_hi']:.2f}); {c['n_devices']} named devices on {c['n_days']} days",
        f"  severity {c['severity']:.1f} m/s² ({c['severity_lo']:.1f} to {c['severity_hi']:.1f}),"
        f" position ± {c['pos_err_m']:.1f} m",
        "  class " + _class_words(c),
        "  hits:",
    ]
    for _, hit in hits.sort_values("t_utc_ns").iterrows():
        day = "undated"
        if hit["dated"]:
            day = pd.Timestamp(hit["t_utc_ns"], unit="ns", tz="UTC").strftime("%Y-%m-%d")
        lines.append(
            f"    {day}  trip {handles.get(int(hit['trip_key']), '?')}"
            f"  peak {hit['peak_ms2']:.1f} m/s²  at {hit['speed_ms'] * 3.6:.0f} km/h"
            f"  score {hit['score']:.1f}"
        )
    return lines


def _class_words(c: pd.Series) -> str:
    p = {k[2:]: float(c[k]) for k in c.index if str(k).startswith("p_")}
    ranked = sorted(p.items(), key=lambda item: -item[1])
    words = ", ".join(f"{name} {value:.2f}" for name, value in ranked[:4])
    return f"{c['class']} ({words})"
