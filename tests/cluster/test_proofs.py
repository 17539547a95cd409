"""Clusters are a function of what is there: not of order, split, replay, cells or executor.

``STREETBUMP_PROOFS=50`` takes fifty times as many examples (docs/results/clusters.md).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.executors import Executor, Processes, Serial
from streetbump.geo import cells_around
from streetbump.model import Clustering

from .kit import CELL_M, HERE, Region, cells_of, clustered, same, shuffled, together, town, view

TIMES = int(os.environ.get("STREETBUMP_PROOFS", "1"))
SEEDS = st.integers(0, 2**31)
many = settings(max_examples=4 * TIMES, deadline=None, derandomize=TIMES == 1)


@pytest.fixture(scope="module", params=["serial", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Everything in this process, or in two others."""
    if request.param == "serial":
        yield Serial()
        return
    with Processes(2) as pool:
        yield pool


def digest(found: Clustering) -> str:
    """SHA-256 over every stored column, floating-point numbers by their bits."""
    h = hashlib.sha256()
    for name in ("clusters", "members", "stretches"):
        table = getattr(found, name)
        for column in table.columns:
            values = table[column].to_numpy()
            text = values.dtype.kind not in "biuf"
            h.update(repr(values.tolist()).encode() if text else values.tobytes())
    return h.hexdigest()


def computed(job: tuple[Region, np.ndarray]) -> Clustering:
    """The clusters of some cells, from what is stored in them and their halo, in any order."""
    of, cells = job
    return clustered(view(of, cells), cells)


def dealt(of: Region, rng: np.random.Generator) -> list[tuple[Region, np.ndarray]]:
    """The cells of a town dealt to one to six workers, each with the rows in its own order."""
    of_jolts, of_passes, of_obstacles = cells_of(of)
    cells = np.unique(np.concatenate([of_jolts, of_passes, *of_obstacles]))
    cells = cells_around(cells, halo_m=20.0)  # the middle of a jolt's bin may lie in the next one
    parts = np.array_split(rng.permutation(cells), rng.integers(1, 7))
    return [(shuffled(of, int(rng.integers(2**31))), part) for part in parts if len(part)]


@many
@given(seed=SEEDS)
def test_clusters_are_a_function_of_what_is_there(executor: Executor, seed: int) -> None:
    """Any order, any split over workers, twice: the bytes of the whole map at once."""
    rng = np.random.default_rng(seed)
    # A town anywhere within a cell: other borders run through other holes.
    shift = rng.uniform(0, CELL_M, 2) / 111_000
    of = town(seed, at=(HERE[0] + shift[0], HERE[1] + shift[1]))
    whole = digest(clustered(of))
    for _ in range(2):
        found = list(executor.map(computed, dealt(of, rng)))
        assert digest(together(found)) == whole


@many
@given(seed=SEEDS)
def test_ten_orders_are_one(seed: int) -> None:
    """Ten orders of the rows of all tables, one result."""
    of = town(seed)
    wanted = digest(clustered(of))
    assert {digest(clustered(shuffled(of, seed + k))) for k in range(10)} == {wanted}


def test_the_digest_tells_clusters_apart() -> None:
    """A single bit of a single column is another digest."""
    found = clustered(town(1))
    other = found.clusters.copy()
    other.loc[0, "hit_rate"] = np.nextafter(other.loc[0, "hit_rate"], 1.0)
    changed = Clustering(other, found.members, found.stretches)
    assert digest(changed) != digest(found)
    with pytest.raises(AssertionError):
        same(changed, found)
    pd.testing.assert_frame_equal(found.clusters, clustered(town(1)).clusters, check_exact=True)
