"""The practice city: a GeoReport v2 server on this machine, for first runs, training and tests.

Like real cities it is *not* idempotent: the same POST twice makes two requests. How it speaks (its
dialect), what goes wrong and what time it is can be switched while it runs. Standard library
only; it listens on 127.0.0.1 and nowhere else.

::

    server   the door: sockets, threads, who may come in
    control  /practice/...: the calls that run it
    city     what it holds and decides, without sockets
    calls    what is answered to each call of GeoReport
    answers  values to bytes, in the dialect
    wire     answers that break the protocol; tls: certificates that must be refused
    faults, dialect, clock, ledger   the tables and the state
    page, openapi    what it shows of itself
"""

from streetbump.submit.sandbox.city import City, Closing, Filling, Setup, read_setup
from streetbump.submit.sandbox.clock import ClockChange
from streetbump.submit.sandbox.dialect import LIKE, Attribute, Dialect
from streetbump.submit.sandbox.faults import DEADLOCKS, TROUBLES, FaultName, Faults
from streetbump.submit.sandbox.server import HOST, PORT, Sandbox

__all__ = [
    "DEADLOCKS", "HOST", "LIKE", "PORT", "TROUBLES", "Attribute", "City", "ClockChange", "Closing",
    "Dialect", "FaultName", "Faults", "Filling", "Sandbox", "Setup", "read_setup",
]  # fmt: skip
