"""The key of a city stands nowhere but in the request it is for, whatever the city does."""

from __future__ import annotations

import base64
import contextlib
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import get_args
from urllib.parse import quote, quote_plus

import pytest

from campaigns.faults import DEADLINE_S, DEAR, QUIET
from campaigns.world import Clock, desk_of, session_at, with_places
from streetbump.commands.requests import plan_table, sync_table
from streetbump.pipeline import Status, advance
from streetbump.submit.sandbox import Faults, Sandbox
from streetbump.submit.sandbox.faults import FaultName
from streetbump.submit.secret import Secret

KEY = "k9/Canary+Zq7=wren-2417-Heliotrope"
FORMS = {
    "the key": KEY.encode(),
    "its base64": base64.b64encode(KEY.encode()).rstrip(b"="),
    "its percent-encoding": quote(KEY, safe="").encode(),
    "its form encoding": quote_plus(KEY).encode(),
    "its last eight": KEY[-8:].encode(),
}
NAMES = [name for name in get_args(FaultName) if name not in DEAR]
PLACES = [
    pytest.param("", id="in the form"),
    pytest.param(
        'key_place = "header"\nkey_header = "Authorization"\nkey_prefix = "Bearer "\n'
        "key_on_reads = true",
        id="in a header",
    ),
]


def hits(where: str, data: bytes) -> list[str]:
    return [f"{name} in {where}" for name, form in FORMS.items() if form in data]


@pytest.mark.parametrize("channel", PLACES)
def test_no_fault_of_a_city_shows_its_key(
    tmp_path: Path, channel: str, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Every fault once: no log, output, row, file, name or process list holds any form of the key.

    The city knows the key (it takes nothing without it), so that it is on the wire each time.
    """
    caplog.set_level(logging.DEBUG)
    store = with_places(tmp_path, len(NAMES))
    clock, said = Clock(), []
    with ExitStack() as stack:
        city = stack.enter_context(Sandbox(0, clock=clock.utc, api_key=KEY))
        desk = desk_of(city, tmp_path, stack=stack, deadline_s=DEADLINE_S, key=Secret(KEY),
                       channel=channel)  # fmt: skip
        said += [repr(desk), repr(desk.connect()), str(desk.profile)]
        session = session_at(store, tmp_path, desks=[desk], clock=clock)
        stack.enter_context(session.store)
        for name in NAMES:
            city.set_faults([Faults(fault=name, on="all", times=2, **QUIET)])
            for _ in range(4):
                progress = advance(session.store, now_ns=clock.now_ns, work=session.work,
                                   lanes=("sync", "submit"), allow_send=True)  # fmt: skip
                said.append(progress.what)
                if progress.status is not Status.DONE:
                    clock.now_ns = max(progress.wait_until_ns or 0, clock.now_ns) + 10**9
        keyed = sum(bool(call.get("key")) for call in city.calls())
        assert keyed >= len(NAMES) / 2
        said += [sync_table(session.store).to_csv(), str(session.store.audit())]
        said += [plan_table(session).to_csv()]
    out = capfd.readouterr()
    found = hits("the log", caplog.text.encode()) + hits("what was said", "".join(said).encode())
    found += hits("the output", (out.out + out.err).encode())
    for path in tmp_path.rglob("*"):
        found += hits("a file's name", str(path).encode())
        if path.is_file():
            found += hits(path.name, path.read_bytes())
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += hits("the process list", process.read_bytes())
    assert found == []
