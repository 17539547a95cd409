"""The practice city without its sockets: what it holds, how it speaks and what goes wrong."""

from __future__ import annotations

import copy
import math
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from streetbump.config import convert, decode_toml
from streetbump.errors import ConfigError
from streetbump.model import utc_text
from streetbump.submit.sandbox import answers, calls
from streetbump.submit.sandbox.answers import Answer, Records, Refusal
from streetbump.submit.sandbox.calls import Books, Call
from streetbump.submit.sandbox.clock import Clock, ClockChange
from streetbump.submit.sandbox.dialect import LIKE, Dialect
from streetbump.submit.sandbox.faults import TROUBLES, CallKind, Faults, Mishaps, Scene, switches
from streetbump.submit.sandbox.ledger import Ledger, Row

_LOGGED = 10_000
_DEGREE_M = 111_320.0


class Setup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a practice city begins."""

    dialect: Dialect = Dialect()
    faults: tuple[Faults, ...] = ()
    seed: int = 0
    clock: ClockChange = ClockChange()


def read_setup(text: str, *, where: str) -> Setup:
    r"""The setup in a TOML text: one fault's keys, or ``[[faults]]``; ``[dialect]``, ``[clock]``.

    >>> setup = read_setup('fault = "429"\n[dialect]\nlike = "django"', where="faults.toml")
    >>> setup.faults[0].fault, setup.dialect.first_id
    ('429', 0)
    """
    value = decode_toml(text, dict[str, Any], where=where)
    parts = {name: value.pop(name) for name in ("seed", "clock") if name in value}
    dialect = dialect_of(value.pop("dialect", {}), where=where)
    rules = convert(value.pop("faults", []), tuple[Faults, ...], where=where)
    if value:  # the keys of one fault, without a table around them
        rules = (convert(value, Faults, where=where), *rules)
    setup = convert(parts, Setup, where=where)
    return msgspec.structs.replace(setup, dialect=dialect, faults=rules)


def dialect_of(switches: Any, *, where: str, strict: bool = True) -> Dialect:
    """A dialect: `switches` laid over the one named by ``like``, or over the standard."""
    given = convert(switches, dict[str, Any], where=f"{where}: dialect")
    like = given.pop("like", "standard")
    if not isinstance(like, str) or like not in LIKE:
        raise ConfigError(f"{where}: like: one of {', '.join(LIKE)} (got {like!r})")
    whole = {**msgspec.to_builtins(LIKE[like]), **given}
    try:
        return msgspec.convert(whole, Dialect, strict=strict)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: dialect: {exc}") from exc


Reason = Literal[
    "repaired", "duplicate", "referred", "scheduled_later", "no_pothole_found", "no_action", "bogus"
]
REASONS: dict[Reason, str] = {
    "repaired": "The pothole was repaired.",
    "duplicate": "Duplicate of another request.",
    "referred": "Passed on to the agency in charge.",
    "scheduled_later": "The repair is planned for later.",
    "no_pothole_found": "No pothole was found at this place.",
    "no_action": "No action is needed.",
    "bogus": "",
}
"""Why cities close requests, and what they say then."""


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a request is closed."""

    reason: Annotated[Reason, Meta(description="why")] = "repaired"
    parent: Annotated[str, Meta(description="the request that a duplicate repeats")] = ""
    status: Annotated[str, Meta(description="the word for it, where it is another")] = "closed"
    notes: Annotated[str, Meta(description="what is said, instead of the reason's words")] = ""


class Filling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Requests of other people, at places drawn by the city's seed."""

    n: Annotated[int, Meta(ge=1, le=100_000, description="how many")] = 100
    lat: Annotated[float, Meta(ge=-85, le=85, description="middle, degrees")] = 0.0
    long: Annotated[float, Meta(ge=-180, le=180, description="middle, degrees")] = 0.0
    radius_m: Annotated[float, Meta(ge=0, le=100_000, description="how far around")] = 1000.0
    days: Annotated[float, Meta(ge=0, le=3650, description="over so many days until now")] = 90.0
    code: Annotated[str, Meta(description="service_code; empty: the pothole's")] = ""
    status: Annotated[str, Meta(description="their status")] = "open"


class City:
    """What the practice city knows and decides.

    Parameters
    ----------
    ledger_path : Path or None
        Where requests are kept between runs; None keeps them in memory.
    faults : Faults, sequence of Faults, or None
        What goes wrong from the start.
    dialect : Dialect
        How it speaks from the start.
    clock : callable
        What its own clock goes by.
    seed : int
        Of all its chances.
    """

    def __init__(
        self,
        *,
        ledger_path: Path | None,
        faults: Faults | Sequence[Faults] | None,
        dialect: Dialect,
        clock: Callable[[], datetime],
        seed: int,
    ) -> None:
        self._ledger = Ledger(ledger_path)
        self._mishaps = Mishaps(seed)
        self._seed = seed
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._recent: deque[datetime] = deque()
        self._log: deque[Row] = deque(maxlen=_LOGGED)
        self._logged = 0
        self.dialect = dialect
        self.clock = Clock(clock)
        self.url = ""
        self.stopping = threading.Event()
        if faults is not None:
            self.set_faults(faults)

    # ------------------------------------------------------------------------- its own business

    def ledger(self) -> list[Row]:
        """A copy of every request it holds, in order of arrival."""
        return copy.deepcopy(self._ledger.all())

    def calls(self) -> list[Row]:
        """The last calls of GeoReport, and of addresses that do not exist, in order."""
        with self._lock:
            return list(self._log)

    def set_faults(self, faults: Faults | Sequence[Faults]) -> None:
        """What goes wrong from now on; of several rules the first that strikes."""
        self._mishaps.set((faults,) if isinstance(faults, Faults) else faults)

    def faults(self) -> tuple[Faults, ...]:
        """The rules in force."""
        return self._mishaps.rules()

    def set_seed(self, seed: int) -> None:
        """Begin its chances anew."""
        self._seed = seed
        self._mishaps.seed(seed)

    def prepare(self, setup: Setup) -> None:
        """Begin as a setup says."""
        self.dialect = setup.dialect
        self.set_faults(setup.faults)
        self.set_seed(setup.seed)
        self.clock.change(setup.clock)

    def reset(self) -> None:
        """Forget requests, calls, faults, dialect and time; ids are not given again."""
        self._ledger.reset()
        self.set_faults(())
        self.set_seed(self._seed)
        self.dialect = Dialect()
        self.clock.reset()
        with self._lock:
            self._log.clear()
            self._recent.clear()

    def close_request(self, request_id: str, how: Closing | None = None) -> bool:
        """Close a request; False when there is none of this id."""
        how = how or Closing()
        notes = how.notes or REASONS[how.reason]
        return self._update(request_id, status=how.status, status_notes=notes, parent_id=how.parent)

    def reopen_request(self, request_id: str) -> bool:
        """Say open again; False when there is none of this id."""
        return self._update(request_id, status="open", status_notes="Reopened.", parent_id="")

    def _update(self, request_id: str, **values: Any) -> bool:
        return self._ledger.change(
            request_id, **values, updated_datetime=utc_text(self.clock.now())
        )

    def publish_request(self, request_id: str) -> bool:
        """End a request's moderation: from now on lists show it."""
        return self._ledger.change(request_id, listed_from=utc_text(self.clock.now()))

    def poison_request(self, request_id: str) -> bool:
        """Make a request one that kills the lists it stands in, as `poison` says how."""
        return self._ledger.change(request_id, poisoned=True)

    def remove_request(self, request_id: str) -> bool:
        """Show a request no more; it stays in the ledger."""
        return self._ledger.change(request_id, removed=True)

    def fill(self, filling: Filling) -> int:
        """Store requests of other people; how many."""
        chance = random.Random(f"{self._seed}/{len(self._ledger.all())}")  # noqa: S311  # play
        now, dialect = self.clock.now(), self.dialect
        code = filling.code or dialect.stored_code or dialect.service_code
        rows = []
        for _ in range(filling.n):
            away, turn = filling.radius_m * math.sqrt(chance.random()), chance.random() * math.tau
            lat = filling.lat + away * math.cos(turn) / _DEGREE_M
            east = away * math.sin(turn) / (_DEGREE_M * math.cos(math.radians(filling.lat)))
            lon = (filling.long + east + 180.0) % 360.0 - 180.0
            came = now - timedelta(days=filling.days * chance.random())
            row = calls.new_row(came, dialect, code=code, place=(round(lat, 6), round(lon, 6)))
            rows.append({**row, "status": filling.status, "description": "Somebody saw this."})
        pattern = calls.id_pattern(dialect)
        self._ledger.create(rows, named=pattern, first=dialect.first_id)
        return len(rows)

    # -------------------------------------------------------------------------------- answering

    @contextmanager
    def under_way(self, kind: CallKind) -> Iterator[Callable[[], int]]:
        """Count a call of this kind while it lasts; gives the way to ask how many there are."""
        with self._lock:
            self._under_way[kind] += 1
        try:
            yield lambda: self._under_way[kind]
        finally:
            with self._lock:
                self._under_way[kind] -= 1

    def strike(self, kind: CallKind, *, parallel: int) -> Faults:
        """What goes wrong with this call; counts it."""
        return self._mishaps.strike(kind, parallel=parallel)

    def answer(self, call: Call, fault: Faults) -> Answer:
        """The answer to a call, with its fault, before it goes over the wire."""
        trouble = TROUBLES[fault.fault]
        dialect = switches(fault, self.dialect)
        books = Books(self._ledger, dialect, self.clock.now(), self.url)
        store = trouble.stored if fault.stored is None else fault.stored
        try:
            self._check_pace(dialect, books.now)
            reply = calls.reply(call, books, store=store)
            if trouble.rows is not None and isinstance(reply, Records):
                scene = Scene(fault, self._others(reply, dialect))
                rows = tuple(trouble.rows(reply.rows, scene))
                reply = Records(reply.status, reply.plural, reply.single, rows)
            made = answers.write(reply, dialect, call.written)
        except Refusal as refusal:
            made = answers.refused(refusal, dialect, call.written)
        return made if trouble.answer is None else trouble.answer(made, Scene(fault))

    def _others(self, reply: Records, dialect: Dialect) -> tuple[Row, ...]:
        answered = {str(row.get(name)) for row in reply.rows for name in answers.ID_FIELDS}
        held = (r for r in self._ledger.all() if r["service_request_id"] not in answered)
        return tuple(answers.shown(row, dialect) for row in held)

    def _check_pace(self, dialect: Dialect, now: datetime) -> None:
        """Refuse what is more than `calls_per_minute`."""
        if not dialect.calls_per_minute:
            return
        with self._lock:
            while self._recent and abs((now - self._recent[0]).total_seconds()) >= 60:
                self._recent.popleft()
            if len(self._recent) >= dialect.calls_per_minute:
                free = self._recent[0] + timedelta(seconds=60)
                wait = max(1, math.ceil((free - now).total_seconds()))
                raise Refusal(429, "too many requests", (("Retry-After", str(wait)),))
            self._recent.append(now)

    def note(self, **entry: Any) -> None:
        """Write a call down."""
        with self._lock:
            self._logged += 1
            self._log.append({"call": self._logged, "at": utc_text(self.clock.now()), **entry})


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)
