"""Why the system says what it says of a place: its passes, its requests and its life, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from streetbump.cluster.life import Presence
from streetbump.stores import LinkRow


@dataclass(frozen=True)
class Life:
    """What became of a place: what the passes say now, what was sent, and what happened.

    Attributes
    ----------
    seen : Presence or None
        None where no cluster is left.
    requests : sequence of mappings
        One per episode: columns of the outbox by name.
    history : sequence of mappings
        ``at_ns``, ``episode``, ``state`` and ``why``, the oldest first.
    links : sequence of LinkRow
        Of this place, and of other places to clusters that were ever part of this one.
    """

    seen: Presence | None
    requests: Sequence[Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]
    links: Sequence[LinkRow]


def explain_place(
    headline: str,
    clusters: pd.DataFrame,
    members: pd.DataFrame,
    *,
    handles: Mapping[int, str],
    place_id: str = "",
    life: Life | None = None,
) -> str:
    """Sentences and small tables about one place, or about clusters alone, for an analyst.

    Trips are named by their random handles, hits are dated to the day: what is printed here may
    lie on a desk.
    """
    lines = [headline]
    for _, c in clusters.iterrows():
        lines += _cluster_lines(c, members[members["cluster_id"] == c["cluster_id"]], handles)
    if life is not None:
        lines += ["", "Is it there?", "  " + presence_words(life.seen)]
        lines += ["", "Requests", *_request_lines(life.requests)]
        lines += ["", "History", *_history_lines(life.history)]
        lines += ["", "Clusters over time", *_link_lines(place_id, life.links)]
    return "\n".join(lines) + "\n"


def presence_words(seen: Presence | None) -> str:
    """How sure later passes make us that something is there.

    >>> presence_words(Presence(p=0.004, since_ns=0, devices=4, days=3))
    'gone with probability 0.996: 4 named devices on 3 days agree, since 1970-01-01'
    """
    if seen is None:
        return "unknown: no cluster is left here"
    if seen.since_ns is None:
        return "unknown: no pass with a date"
    there = seen.p >= 0.5
    p = seen.p if there else 1 - seen.p
    return (
        f"{'there' if there else 'gone'} with probability {'above ' * (p > 0.999)}"
        f"{min(p, 0.999):.3f}:"
        f" {_count(seen.devices, 'named device')} on {_count(seen.days, 'day')} agree,"
        f" since {_day(seen.since_ns)}"
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s'[: n != 1]}"


def _day(ns: int) -> str:
    return pd.Timestamp(ns, unit="ns", tz="UTC").strftime("%Y-%m-%d")


def _request_lines(requests: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for r in requests:
        number = r["request_id"] or r["token"]
        parts = [f"{r['city']}: {r['state']}" + (f" as {number}" if number else ""), r["marker"]]
        if r["sent_ns"] is not None:
            parts.append(f"sent {_day(r['sent_ns'])}")
        lines.append(f"  episode {r['episode']}  {', '.join(parts)}")
        if r["note"]:
            lines.append(f"    {r['note']}")
        if r["city_status"]:
            said = f" ({r['city_words']})" if r["city_words"] else ""
            since = f", seen since {_day(r['status_ns'])}" if r["status_ns"] is not None else ""
            lines.append(f"    the city says {r['city_status']}{said}{since}")
        if r["parent_id"]:
            lines.append(f"    the city follows its request {r['parent_id']} instead")
    return lines or ["  none"]


def _history_lines(history: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"  {_day(h['at_ns'])}  episode {h['episode']}"
        f"  {h['state'].replace('_', ' '):14}  {h['why']}"
        for h in history
    ]


def _link_lines(place_id: str, links: Sequence[LinkRow]) -> list[str]:
    """From when on a place had how many clusters, and which it shared with other places.

    A cluster has another id after each trip that adds to it; so they are counted, not listed.
    """
    own = [link for link in links if link.place_id == place_id]
    times = sorted({t for link in own for t in (link.since_ns, link.until_ns) if t is not None})
    lines, before = [], -1
    for t in times:
        held = sum(link.since_ns <= t and (link.until_ns or t + 1) > t for link in own)
        if held != before:
            lines.append(f"  since {_day(t)}: {_count(held, 'cluster')}")
        before = held
    first = {link.cluster_id: link.since_ns for link in reversed(own)}
    for other in sorted({link.place_id for link in links} - {place_id}):
        shared = [k for k in links if k.place_id == other]
        took = sum(k.since_ns > first[k.cluster_id] for k in shared)
        gave = sum(k.since_ns < first[k.cluster_id] for k in shared)
        moved = [f"{_count(took, 'cluster')} went to it"] * bool(took)
        moved += [f"{_count(gave, 'cluster')} came from it"] * bool(gave)
        lines.append(f"  shared with place {other}: {', '.join(moved) or 'at the same time'}")
    total = len({link.cluster_id for link in own})
    return [*lines, f"  {_count(total, 'cluster')} in all: later trips or a promotion gave new ids"]


def _cluster_lines(c: pd.Series, hits: pd.DataFrame, handles: Mapping[int, str]) -> list[str]:
    lines = [
        "",
        f"Heading {c['heading_deg']:.0f}°: {c['hits']} of {c['passes']} passes jolted"
        f" (hit rate {c['hit_rate']:.2f}, 90 % between {c['hit_rate_lo']:.2f} and"
        f" {c['hit_rate_hi']:.2f}); {_count(c['n_devices'], 'named device')}"
        f" on {_count(c['n_days'], 'day')}",
        f"  severity {c['severity']:.1f} m/s² ({c['severity_lo']:.1f} to {c['severity_hi']:.1f}),"
        f" position ± {c['pos_err_m']:.1f} m, cluster {c['cluster_id']}",
        "  class " + _class_words(c),
        "  hits:",
    ]
    for _, hit in hits.sort_values("t_utc_ns").iterrows():
        day = _day(hit["t_utc_ns"]) if hit["dated"] else "undated"
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
