"""The table of rooms holds: imports point one way, and the pure rooms stay pure.

Every module is parsed, not imported, so imports inside functions and under ``TYPE_CHECKING``
count as well. :func:`findings` is the whole check; the second half of the file proves that it can
fail.
"""

from __future__ import annotations

import ast
import builtins
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "streetbump"

ROWS: tuple[tuple[str, ...], ...] = (
    ("data", "errors", "model"),
    ("config", "geo", "cityprofile"),
    ("trips",),
    ("detect",),
    ("cluster",),
    ("submit",),
    ("stores",),
    ("report",),
    ("executors", "observe"),
    ("simulate",),
    ("sending", "pipeline", "runtime", "commands", "worker", "serve", "cli"),
)
"""From the cellar up. A room uses what stands above it in this table, or beside it."""

ROW_OF = {room: row for row, rooms in enumerate(ROWS) for room in rooms}

NEVER: dict[str, set[str]] = {
    "trips": {"detect", "stores"},
    "detect": {"cluster", "submit", "stores"},
    "cluster": {"detect", "submit", "stores"},
    "submit": {"cluster", "detect", "stores"},
    "stores": {"detect", "cluster", "submit"},
    "executors": {"trips", "detect", "cluster", "submit", "stores", "report"},
    "observe": {"trips", "detect", "cluster", "submit", "stores", "report"},
    "simulate": {"stores"},
}

ONLY_IN: dict[str, str] = {
    "click": "cli",
    "httpx": "submit.georeport",
    "httpx2": "submit.georeport",
    "sqlalchemy": "stores",
    "alembic": "stores",
    "psycopg": "stores",
    "dask": "executors",
    "distributed": "executors",
    "starlette": "serve",
    "uvicorn": "serve",
}
"""One room for each of these libraries."""

PURE = (
    "errors",
    "model",
    "config",
    "geo",
    "cityprofile",
    "trips",
    "detect",
    "cluster",
    "simulate",
    "submit.plan",
    "submit.compose",
    "submit.outcome",
)

IMPURE = {
    "asyncio",
    "http.client",
    "io.open",
    "logging",
    "multiprocessing",
    "open",
    "os.environ",
    "os.getenv",
    "os.open",
    "os.urandom",
    "random",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time.monotonic",
    "time.perf_counter",
    "time.sleep",
    "time.time",
    "time.time_ns",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "pandas.Timestamp.now",
    "pandas.Timestamp.today",
    "pandas.Timestamp.utcnow",
    "urllib.request",
    "uuid.uuid1",
    "uuid.uuid4",
    "warnings.simplefilter",
    "numpy.seterr",
}
"""Clock, environment, network, files, chance and logs: arguments in a pure room, or not at all."""

SEEDED = {"Generator", "default_rng", "SeedSequence", "BitGenerator", "PCG64", "Philox"}
"""What a pure room may take from ``numpy.random``: generators that somebody seeds."""

NOWHERE = {
    "cloudpickle",
    "dill",
    "eval",
    "exec",
    "joblib",
    "marshal",
    "pandas.read_pickle",
    "pickle",
    "shelve",
}


def modules() -> dict[str, Path]:
    """Path of every module by its name without the package: ``detect.trigger``, ``model``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str) -> str:
    """The room a module belongs to; the package itself and ``__main__`` stand with ``cli``."""
    return "cli" if module in ("", "__main__") else module.split(".", 1)[0]


def is_in(name: str, places: set[str] | tuple[str, ...] | str) -> bool:
    """Whether a dotted name is one of the places or lies inside one."""
    places = (places,) if isinstance(places, str) else places
    return any(name == place or name.startswith(f"{place}.") for place in places)


def imports(tree: ast.Module, *, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported, relative and by-name imports included."""
    home = ["streetbump", *filter(None, module.split("."))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = node.level - is_package
            base = home[: len(home) - up] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rsplit(".", 1)[-1]
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def used_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every builtin and imported name used, with aliases undone."""
    stands_for: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".", 1)[0]
                stands_for[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                stands_for[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        name = node
        parts = []
        while isinstance(name, ast.Attribute):
            parts.append(name.attr)
            name = name.value
        if isinstance(name, ast.Name) and (name.id in stands_for or hasattr(builtins, name.id)):
            parts.append(stands_for.get(name.id, name.id))
            yield name.lineno, ".".join(reversed(parts))


def import_findings(module: str, target: str) -> Iterator[str]:
    """What is wrong with one import."""
    room = room_of(module)
    package, _, inner = target.partition(".")
    if package != "streetbump":
        for library, home in ONLY_IN.items():
            if is_in(target, library) and not is_in(module, home):
                yield f"imports {library}, which only {home} knows"
        return
    other = inner.split(".", 1)[0]
    if other not in ROW_OF or other == room:  # the package's own names, such as its version
        return
    if ROW_OF[other] > ROW_OF[room]:
        yield f"{room} imports {other}, which stands below it"
    if other in NEVER.get(room, ()):
        yield f"{room} never imports {other}"
    if room == "report" and any(is_in(inner, name) for name in modules_of("stores")):
        yield f"report imports {inner}: the store's internals"


def modules_of(room: str) -> set[str]:
    """The modules inside a room: ``stores.sqlite``."""
    return {name for name in modules() if name.startswith(f"{room}.")}


def name_findings(module: str, name: str) -> Iterator[str]:
    """What is wrong with one name that is imported or used."""
    if is_in(name, NOWHERE) or name.endswith(".to_pickle"):
        yield f"{name}: never in this package"
    if name == "print" and room_of(module) != "cli":
        yield "print: only cli prints"
    if is_in(module, PURE):
        if is_in(name, IMPURE):
            yield f"{name}: not in a pure room"
        chance = name.removeprefix("numpy.random.")
        if chance != name and chance.split(".", 1)[0] not in SEEDED:
            yield f"{name}: not in a pure room, take a seeded Generator"


def call_findings(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What is wrong with the arguments of a call."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rsplit(".", 1)[-1]
        if called == "default_rng" and not (node.args or node.keywords) and is_in(module, PURE):
            yield node.lineno, "default_rng(): not in a pure room, give it a seed"
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
                yield node.lineno, "allow_pickle: never in this package"


def findings(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Everything in one module that breaks the table, as ``line: what``."""
    tree = ast.parse(source)
    found = set(call_findings(module, tree))
    if room_of(module) not in ROW_OF:
        found.add((1, f"{room_of(module)} is not in the table of rooms"))
        return [f"{line}: {what}" for line, what in sorted(found)]
    for line, target in imports(tree, module=module, is_package=is_package):
        found |= {(line, what) for what in import_findings(module, target)}
        found |= {(line, what) for what in name_findings(module, target)}
    for line, name in used_names(tree):
        found |= {(line, what) for what in name_findings(module, name)}
    return [f"{line}: {what}" for line, what in sorted(found)]


@pytest.mark.parametrize(("module", "path"), modules().items(), ids=lambda v: str(v) or "package")
def test_module_keeps_to_its_room(module: str, path: Path) -> None:
    """Each module imports only what stands above it, and does only what its room may do."""
    assert findings(module, path.read_text("utf-8"), is_package=path.stem == "__init__") == []


def test_rooms_have_no_cycle() -> None:
    """Rooms beside each other in the table do not import each other in a circle."""
    graph: dict[str, set[str]] = {}
    for module, path in modules().items():
        tree = ast.parse(path.read_text("utf-8"))
        wanted = imports(tree, module=module, is_package=path.stem == "__init__")
        inner = {name.split(".")[1] for _, name in wanted if name.startswith("streetbump.")}
        graph.setdefault(room_of(module), set()).update((inner & set(ROW_OF)) - {room_of(module)})
    assert set(graphlib.TopologicalSorter(graph).static_order()) >= {"model", "errors"}


BROKEN = [
    # module, source, what is said about it
    ("model", "from streetbump.geo import distance_m", "model imports geo"),
    ("geo", "from streetbump import trips", "geo imports trips"),
    ("geo", "def f():\n    import streetbump.cluster.density", "2: geo imports cluster"),
    ("config", "from .detect import detect", "config imports detect"),
    ("trips.sniff", "from ..stores import open_store", "trips never imports stores"),
    ("trips", "from streetbump.detect import detect", "trips never imports detect"),
    ("detect.trigger", "from streetbump.cluster import density", "detect never imports cluster"),
    ("cluster", "from streetbump.detect import detect", "cluster never imports detect"),
    ("submit.plan", "import streetbump.cluster", "submit never imports cluster"),
    ("stores.sqlite", "from streetbump.submit import plan", "stores never imports submit"),
    (
        "simulate.street",
        "from streetbump.stores import open_store",
        "simulate never imports stores",
    ),
    ("observe", "from streetbump.stores import Store", "observe never imports stores"),
    ("report", "from streetbump.pipeline import advance", "report imports pipeline"),
    ("attic", "x = 1", "attic is not in the table of rooms"),
    (
        "detect",
        "import typing\nif typing.TYPE_CHECKING:\n    from streetbump.stores import Store",
        "3: detect never imports stores",
    ),
    (
        "trips",
        "import importlib\nimportlib.import_module('streetbump.stores.sqlite')",
        "2: trips never imports stores",
    ),
    ("submit.sandbox", "import httpx", "only submit.georeport knows"),
    ("worker", "from httpx import Client", "only submit.georeport knows"),
    ("report.tables", "import click", "only cli knows"),
    ("pipeline", "from sqlalchemy import select", "only stores knows"),
    ("worker", "import alembic.config", "only stores knows"),
    ("worker", "import psycopg", "only stores knows"),
    ("detect", "import socket", "socket: not in a pure room"),
    ("detect", "import logging\nlog = logging.getLogger()", "1: logging: not in a pure room"),
    ("trips.csv", "text = open('trip.csv').read()", "open: not in a pure room"),
    ("config", "import os\nhome = os.environ['HOME']", "2: os.environ"),
    ("config", "from os import environ as e", "os.environ"),
    ("geo", "import time\nt = time.time()", "2: time.time"),
    ("cluster", "from time import time_ns", "time.time_ns"),
    ("cluster", "from datetime import datetime\nnow = datetime.now(tz)", "datetime.datetime.now"),
    ("cluster", "import datetime as dt\nnow = dt.datetime.utcnow()", "datetime.datetime.utcnow"),
    ("simulate", "import pandas as pd\nnow = pd.Timestamp.now('UTC')", "pandas.Timestamp.now"),
    ("simulate", "import random\nrandom.seed(1)", "random: not in a pure room"),
    ("simulate", "import numpy as np\nnp.random.seed(1)", "numpy.random.seed"),
    ("simulate", "from numpy.random import rand", "numpy.random.rand"),
    ("simulate", "import numpy as np\nrng = np.random.default_rng()", "give it a seed"),
    ("submit.plan", "import time\nt = time.time()", "time.time: not in a pure room"),
    ("worker", "import pickle", "pickle: never"),
    ("executors", "from joblib import Parallel", "joblib.Parallel: never"),
    ("cli", "eval('1 + 1')", "eval: never"),
    ("cli", "exec('x = 1')", "exec: never"),
    ("stores", "import numpy as np\nnp.load(f, allow_pickle=True)", "allow_pickle: never"),
    ("stores", "import pandas as pd\npd.read_pickle(f)", "pandas.read_pickle: never"),
    ("report", "print('found 3')", "print: only cli prints"),
]


@pytest.mark.parametrize(("module", "source", "said"), BROKEN, ids=lambda v: str(v)[:40])
def test_broken_rule_is_reported(module: str, source: str, said: str) -> None:
    """A module that breaks the table is named, with the line and the rule."""
    assert any(said in finding for finding in findings(module, source)), findings(module, source)


ALLOWED = [
    ("detect", "from streetbump.model import Trip\nfrom .trigger import find"),
    ("simulate", "import numpy as np\nrng = np.random.default_rng(seed)"),
    ("trips.zips", "import zipfile\nwith zipfile.ZipFile(f) as z:\n    z.open('a.csv')"),
    ("config", "from importlib import resources\nresources.files('streetbump.data')"),
    ("cluster", "from datetime import datetime, UTC\ndatetime.fromtimestamp(0, UTC)"),
    ("submit.georeport", "import httpx\nimport logging"),
    ("stores.sql", "import sqlalchemy as sa\nfrom alembic import command"),
    ("worker", "import time\nimport logging\ntime.sleep(1)"),
    ("cli", "import click\nfrom streetbump import __version__\nprint(__version__)"),
    ("detect", "def f(random, socket):\n    return random.real + socket"),
    ("", "__version__ = '1'"),
]


@pytest.mark.parametrize(("module", "source"), ALLOWED, ids=lambda v: str(v)[:40])
def test_sound_module_is_not_reported(module: str, source: str) -> None:
    """What the rooms are for is not mistaken for a breach."""
    assert findings(module, source, is_package=module in ("detect", "")) == []


def test_report_sees_the_store_from_outside() -> None:
    """``report`` may import ``streetbump.stores``, but none of the modules inside."""
    for name in sorted(modules_of("stores")):
        assert list(import_findings("report", f"streetbump.{name}")) != []
        assert list(import_findings("report", f"streetbump.{name}.anything")) != []
    assert findings("report", "from streetbump.stores import Store") == []
