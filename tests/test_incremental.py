"""However trips come in, the store holds the clusters of all of them computed at once.

``STREETBUMP_PROOFS=50`` takes fifty times as many examples (docs/results/clusters.md).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streetbump.commands.session import Session
from streetbump.config import Settings
from streetbump.geo import bin_of, from_local_m
from streetbump.model import OBSTACLES, TRIPS, Detection, Gravity, TimeBasis, Trip
from streetbump.pipeline.clusters import put_obstacles
from streetbump.pipeline.generations import register
from streetbump.stores import Offer, Outcome, Taken

from .cluster.kit import DAY_NS, HERE, NOON_NS, Region, clustered, drives, jolts, obstacle
from .conftest import Workshop

TIMES = int(os.environ.get("STREETBUMP_PROOFS", "1"))
HOLES_M = ((0.0, 0.0), (5.0, 3.0), (-14.0, 4.0), (300.0, 10.0), (-8.0, 560.0), (-30.0, 575.0))
"""Most of them at the corner of four storage cells, or at a border."""
TRIP_COUNT = 14
CHAIN_M = np.arange(0, 60, 6.0)


def made_trip(number: int, rng: np.random.Generator) -> tuple[Trip, Detection]:
    """A drive past some of the holes, with a jolt at some of these; every third over rough road."""
    t_ns = NOON_NS + int(rng.integers(0, 9)) * DAY_NS
    none = np.empty(0, np.int64)
    few = none.astype(np.int32)
    device = None if rng.uniform() < 0.2 else f"phone {rng.integers(0, 5)}"
    trip = Trip(
        f"{number:064x}", f"{number:064x}"[::-1], "plain-csv", none, np.empty((0, 3), np.int32),
        none, few, few, few, few, few, t_ns, Gravity.KEPT, TimeBasis.ABSOLUTE, device=device,
        synthetic=bool(rng.uniform() < 0.2),
    )  # fmt: skip
    passed = np.array([xy for xy in HOLES_M if rng.uniform() < 0.7] or [HOLES_M[0]])
    felt = passed[rng.uniform(size=len(passed)) < 0.7]
    if number % 3 == 0:
        felt = np.concatenate((felt, np.column_stack((100 + CHAIN_M, 0 * CHAIN_M))))
    heading = float(rng.choice([0.0, 180.0]))
    at = felt + rng.normal(0, 3, felt.shape)
    when = t_ns + np.arange(len(felt)) * 30_000_000_000
    bumps = jolts(
        at[:, 0], at[:, 1], trip_key=trip.key, seq=np.arange(len(felt)), t_utc_ns=when,
        heading_deg=heading, peak_ms2=rng.uniform(3, 9, len(felt)),
        pos_err_m=rng.choice([2.0, 6.0], len(felt)),
    )  # fmt: skip
    bins = bin_of(*from_local_m(*passed.T, lat0_deg=HERE[0], lon0_deg=HERE[1]))
    passes = drives([trip.key] * len(passed), t_utc_ns=t_ns, heading_deg=heading)
    passes = passes.assign(bin=bins, seq=np.arange(len(passed)))
    return trip, Detection(bumps, passes)


class Arrivals(RuleBasedStateMachine):
    """Trips in any order, some twice; obstacles; other settings, promoted."""

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.trips = [made_trip(k + 1, rng) for k in range(TRIP_COUNT)]
        self.rng = rng
        self.folder = tempfile.TemporaryDirectory()
        self.shop = Workshop(Path(self.folder.name))
        self.session: Session = self.shop.open()
        self.seen: list[int] = []
        self.known: dict[str, pd.DataFrame] = {}
        self.uploads = 0
        self.generations = 0

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            self.shop.close()
            self.folder.cleanup()

    def commit(self, number: int) -> None:
        """The trip, as the only one of a new upload."""
        self.uploads += 1
        trip, found = self.trips[number]
        trip = replace(trip, upload_id=f"{self.uploads:064x}")
        store, owner, now = self.session.store, self.session.work.owner, self.shop.now_ns
        store.offer([Offer(trip.upload_id, "n", "s", "{}")], now_ns=now)
        (upload,) = store.claim_uploads(owner=owner, now_ns=now, lease_ns=10, limit=1)
        store.commit_uploads(
            [Outcome(upload, [Taken.of(trip, found)])], owner=owner, now_ns=now,
            generation=self.session.work.generation.name,
            halo_m=self.session.settings.cluster.halo_m,
        )  # fmt: skip

    @precondition(lambda self: len(self.seen) < TRIP_COUNT)
    @rule(pick=st.integers(0, TRIP_COUNT - 1))
    def a_trip_comes(self, pick: int) -> None:
        """Any of those that are not there yet, so early and late ones."""
        left = [k for k in range(TRIP_COUNT) if k not in self.seen]
        number = left[pick % len(left)]
        self.commit(number)
        self.seen.append(number)

    @precondition(lambda self: self.seen)
    @rule(pick=st.integers(0, TRIP_COUNT - 1))
    def a_trip_comes_again(self, pick: int) -> None:
        """In another file."""
        self.commit(self.seen[pick % len(self.seen)])

    @rule(name=st.sampled_from(["o1", "o2"]), hole=st.sampled_from(HOLES_M),
          kind=st.sampled_from(["hump", "casting"]))  # fmt: skip
    def an_obstacle_is_listed(self, name: str, hole: tuple[float, float], kind: str) -> None:
        """New, or known and now elsewhere or something else."""
        row = obstacle(hole[0] + 4.0, hole[1], kind=kind, name=name)
        before = self.known.get(name)
        put_obstacles(
            self.session.store, row, settings=self.session.settings, now_ns=self.shop.now_ns
        )
        said = [c for c in OBSTACLES.names if c != "revision"]
        if before is not None:
            same = before[said].equals(row[said])
            row = row.assign(revision=before["revision"] + (0 if same else 1))
        self.known[name] = row

    @precondition(lambda self: self.seen and self.generations < 2)
    @rule(eps_m=st.sampled_from([7.0, 9.0, 11.0]))
    def other_settings_are_promoted(self, eps_m: float) -> None:
        """Every trip is computed in a new generation, which becomes the active one."""
        self.generations += 1
        s = self.session.settings
        other: Settings = msgspec.structs.replace(
            s, cluster=msgspec.structs.replace(s.cluster, eps_m=eps_m, max_extent_m=31.0 + eps_m)
        )
        store, now, name = self.session.store, self.shop.now_ns, f"g{self.generations}"
        generation = register(store, other, name=name, now_ns=now)
        work = replace(self.session.work, generation=generation, settings=other)
        by_id = {trip.trip_id: found for trip, found in self.trips}
        for trip_id in store.claim_trips(
            name, owner=work.owner, now_ns=now, lease_ns=10**12, limit=TRIP_COUNT
        ):
            store.commit_detection(
                trip_id, by_id[trip_id], generation=name, halo_m=other.cluster.halo_m,
                owner=work.owner,
            )  # fmt: skip
        self.session = replace(self.session, work=work)
        self.session.until_idle(lanes=("cluster",))
        store.promote(name, now_ns=now)

    def everything(self) -> Region:
        """What was handed in, straight from the hands."""
        came = [self.trips[k] for k in self.seen]
        return Region(
            pd.concat([found.bumps for _, found in came]),
            pd.concat([found.passes for _, found in came]),
            TRIPS.build(
                {
                    "trip_key": [trip.key for trip, _ in came],
                    "device": [trip.device for trip, _ in came],
                    "dated": [True] * len(came),
                    "synthetic": [trip.synthetic for trip, _ in came],
                }
            ),
            pd.concat([OBSTACLES.empty(), *self.known.values()]).astype(OBSTACLES.empty().dtypes),
        )

    @precondition(lambda self: self.seen)
    @invariant()
    def the_store_holds_the_clusters_of_all_at_once(self) -> None:
        """After every step, all columns, bit for bit."""
        self.session.until_idle(lanes=("cluster",))
        batch = clustered(self.everything(), settings=self.session.settings.cluster)
        store = self.session.store
        # The id alone has the generation in it; there it is another one.
        pd.testing.assert_frame_equal(
            without_ids(store.clusters()), without_ids(batch.clusters), check_exact=True
        )
        pd.testing.assert_frame_equal(store.stretches(), batch.stretches, check_exact=True)


def without_ids(clusters: pd.DataFrame) -> pd.DataFrame:
    rest = clusters.drop(columns="cluster_id")
    return rest.sort_values(["lat_deg", "lon_deg", "heading_deg"]).reset_index(drop=True)


TestArrivals = Arrivals.TestCase
TestArrivals.settings = settings(
    max_examples=4 * TIMES, stateful_step_count=15, deadline=None, derandomize=TIMES == 1,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
