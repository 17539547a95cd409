"""What the practice city holds, as a person sees it in a browser."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from streetbump.model import utc_text
from streetbump.submit.sandbox.ledger import Row

SHOWN = 200
"""So many requests, the newest, are on the page."""
_HEADS = ("number", "state", "what was said", "place", "when (UTC)", "")
_STYLE = """
body{font:16px/1.4 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:#222}
h1{margin:0}p{margin:.3em 0 1.2em;color:#555}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.5em .7em;vertical-align:top;border-bottom:1px solid #ddd}
th{color:#555;font-weight:600}td.said{white-space:pre-line;overflow-wrap:anywhere;min-width:18em}
td.id,td.place,td.when{white-space:nowrap;font-variant-numeric:tabular-nums}
.badge{border-radius:1em;padding:.1em .7em;white-space:nowrap;background:#eee}
.open{background:#fde9c8}.closed{background:#d9efdc}small{color:#666;display:block}
form{margin:0}button{font:inherit;padding:.2em .9em;cursor:pointer}
"""


def render(
    rows: Sequence[Row], *, now: datetime, faults: Sequence[str], switches: Sequence[str]
) -> str:
    """The page.

    Parameters
    ----------
    rows : sequence of Row
        The ledger, in order of arrival.
    now : datetime
        The city's time.
    faults, switches : sequence of str
        Names of the faults in force, and of what is switched.
    """
    open_now = sum(row["status"] == "open" for row in rows)
    lines = "".join(_line(row) for row in list(reversed(rows))[:SHOWN])
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    cut = f", the newest {SHOWN} are shown" if len(rows) > SHOWN else ""
    wrong, other = (html.escape(", ".join(names)) or "nothing" for names in (faults, switches))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>The practice city</title>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<style>{_STYLE}</style><h1>The practice city</h1>"
        f"<p>{len(rows)} requests, {open_now} open{cut}. Nobody comes, this is practice.<br>"
        f"Its clock says {utc_text(now)}. Goes wrong: {wrong}. Switched: {other}.</p>"
        + (table if rows else "<p>No requests yet.</p>")
        + "</html>"
    )


def _line(row: Row) -> str:
    status = row["status"]
    asked, label = ("reopen", "Reopen") if status == "closed" else ("close", "Close")
    parent = f" See {row['parent_id']}." if row.get("parent_id") else ""
    where = "" if row["lat"] is None else f"{row['lat']:.5f}, {row['long']:.5f}"
    cells = {
        "id": f"<b>{html.escape(row['service_request_id'])}</b>",
        "state": f"<span class={quoteattr(f'badge {status}')}>{html.escape(status)}</span>"
        f"<small>{html.escape(row['status_notes'] + parent)}</small>",
        "said": html.escape(row["description"]),
        "place": f"{where}<small>{html.escape(row['address'])}</small>",
        "when": html.escape(row["requested_datetime"].replace("T", " ").removesuffix("Z")),
        "do": _button(f"/practice/{asked}/{quote(row['service_request_id'], safe='')}", label),
    }
    inner = "".join(f"<td class='{name}'>{cell}</td>" for name, cell in cells.items())
    return f"<tr id={quoteattr(row['service_request_id'])}>{inner}</tr>"


def _button(action: str, label: str) -> str:
    return (
        f"<form method='post' action='{action}'><input type='hidden' name='back' value='page'>"
        f"<button>{label}</button></form>"
    )
