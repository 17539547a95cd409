"""The calls by which a person or a test runs the practice city: ``/practice/...``.

One table says what there is; a body is JSON or a form with the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from streetbump.errors import ConfigError
from streetbump.model import utc_text
from streetbump.submit.sandbox.answers import Refusal
from streetbump.submit.sandbox.calls import NOT_FOUND
from streetbump.submit.sandbox.city import Closing, Filling, dialect_of
from streetbump.submit.sandbox.clock import ClockChange
from streetbump.submit.sandbox.dialect import Dialect
from streetbump.submit.sandbox.faults import FaultName, Faults
from streetbump.submit.sandbox.tls import CertificateKind

if TYPE_CHECKING:
    from streetbump.submit.sandbox.server import Sandbox

Done = dict[str, Any]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """No argument."""


class Seed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the city's chances begin."""

    seed: Annotated[int, Meta(description="the same seed, the same chances")] = 0


class Away(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the door is shut."""

    seconds: Annotated[float, Meta(ge=0.1, le=3600, description="of real time")] = 1.0


class Door(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a TLS door fails."""

    certificate: Annotated[
        CertificateKind | Literal["cut"],
        Meta(description="what is wrong with it; `cut` hangs up during the handshake"),
    ] = "self_signed"


@dataclass(frozen=True)
class Control:
    """A call that changes the city: what it takes, and what it does.

    `whose` is the function for ``/practice/NAME/ID``; it says whether there is such a request.
    """

    meaning: str
    takes: Any = Nothing
    does: Callable[[Sandbox, Any], Done | None] | None = None
    whose: Callable[[Sandbox, str, Any], bool] | None = None


def _dialect(city: Sandbox, given: Dialect) -> None:
    city.dialect = given


def _clock(city: Sandbox, given: ClockChange) -> Done:
    city.clock.change(given)
    return {"now": utc_text(city.clock.now())}


def _tls(city: Sandbox, given: Door) -> Done:
    url, certificate = city.open_tls(given.certificate)
    return {"url": url, "certificate": certificate}


CONTROLS: dict[str, Control] = {
    "faults": Control("switches what goes wrong: one rule, or a list of rules",
                      Faults | tuple[Faults, ...], lambda city, given: city.set_faults(given)),
    "dialect": Control("switches how it speaks: `like`, and what is other than there",
                       Dialect, _dialect),
    "clock": Control("sets the city's clock, moves it on, stops it", ClockChange, _clock),
    "seed": Control("begins its chances anew", Seed, lambda city, given: city.set_seed(given.seed)),
    "fill": Control("makes requests of other people", Filling,
                    lambda city, given: {"made": city.fill(given)}),
    "away": Control("shuts the door: connections are refused, then it is back", Away,
                    lambda city, given: city.shut_door(given.seconds)),
    "tls": Control("opens a second door, over TLS that must be refused; gives its address",
                   Door, _tls),
    "reset": Control("forgets requests, calls, faults, dialect and time; ids are not given again",
                     Nothing, lambda city, _: city.reset()),
    "close": Control("says *closed*, as cities do, whether repaired or not", Closing,
                     whose=lambda city, i, how: city.close_request(i, how)),
    "reopen": Control("says *open* again", whose=lambda city, i, _: city.reopen_request(i)),
    "publish": Control("ends a request's moderation",
                       whose=lambda city, i, _: city.publish_request(i)),
    "poison": Control("makes a request one that kills lists, see `poison`",
                      whose=lambda city, i, _: city.poison_request(i)),
    "remove": Control("shows a request no more (404)",
                      whose=lambda city, i, _: city.remove_request(i)),
}  # fmt: skip

LOOKS: dict[str, tuple[str, Callable[[Sandbox], Any]]] = {
    "ledger": ("every request it holds, in order of arrival", lambda city: city.ledger()),
    "calls": ("the last 10,000 calls it heard: address, fault, whether a key came with it",
              lambda city: city.calls()),
    "clock": ("its time", lambda city: {"now": utc_text(city.clock.now())}),
    "faults": ("the rules in force", lambda city: msgspec.to_builtins(city.faults())),
    "dialect": ("the switches", lambda city: msgspec.to_builtins(city.dialect)),
}  # fmt: skip
"""What can be looked at with GET, and how."""


def look(city: Sandbox, what: str) -> Any:
    """What ``GET /practice/WHAT`` shows."""
    if what not in LOOKS:
        raise Refusal(404, NOT_FOUND)
    return LOOKS[what][1](city)


def control(city: Sandbox, path: str, body: bytes) -> Done:
    """Do what ``POST /practice/PATH`` asks for."""
    what, _, request_id = path.partition("/")
    found = CONTROLS.get(what)
    if found is None or (found.whose is None) == bool(request_id):
        raise Refusal(404, NOT_FOUND)
    given = _read(what, found.takes, body)
    if found.does is not None:
        return found.does(city, given) or {"done": True}
    if found.whose is None or not found.whose(city, request_id, given):
        raise Refusal(404, "there is no such request")
    return {"done": True}


def _read(what: str, takes: Any, body: bytes) -> Any:
    try:
        value, strict = values_of(body)
        if takes is Dialect:
            return dialect_of(value, where="dialect", strict=strict)
        return msgspec.convert(value, takes, strict=strict)
    except (ValueError, ConfigError, RecursionError) as exc:
        names = ", ".join(name for name in get_args(FaultName) if name)
        known = f"; faults are: {names}" if what == "faults" else ""
        raise Refusal(400, f"{exc}{known}; see docs/practice-city.md") from exc


def values_of(body: bytes) -> tuple[Any, bool]:
    """What a body says, and whether its types are right already: JSON; else a form of text.

    >>> values_of(b"fault=429&times=2")
    ({'fault': '429', 'times': '2'}, False)
    >>> values_of(b'{"times": 2}'), values_of(b"aliases[]=zip_code")
    (({'times': 2}, True), ({'aliases': ['zip_code']}, False))
    """
    if not body.strip():
        return {}, True
    if body.lstrip()[:1] in {b"{", b"["}:
        return msgspec.json.decode(body), True
    pairs = parse_qs(body.decode("ascii"), errors="strict", max_num_fields=200,
                     keep_blank_values=True)  # fmt: skip
    pairs.pop("back", None)
    return {
        name.removesuffix("[]"): values if name.endswith("[]") else values[0]
        for name, values in pairs.items()
    }, False
