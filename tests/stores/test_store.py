"""The store gives back what it is given, and its leases and digests mean what they say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from streetbump import model
from streetbump.cluster.match import points_of
from streetbump.errors import StoreBusy, StoreError
from streetbump.geo import bin_of, cells_around
from streetbump.model import Detection, Gravity, Reason, Rejected, TimeBasis, Trip
from streetbump.stores import Offer, Outcome, Store, Taken, Upload
from streetbump.stores import schema as tables
from streetbump.stores.archive import Archive, from_bytes, to_bytes
from streetbump.stores.engine import HEAD
from streetbump.stores.files import Files

HALO_M = 76.0
DAY_NS = 86_400_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    with Store(f"sqlite:///{tmp_path / 's.db'}") as opened:
        opened.add_generation(
            name="g", content="c", settings="{}", algorithm="a", model="m", now_ns=1
        )
        yield opened


def trip(number: int = 1, *, device: str | None = "d1", gyro: bool = False) -> Trip:
    """A short trip with every kind of column; `number` tells trips apart."""
    ints = np.arange(5, dtype=np.int32)
    return Trip(
        upload_id="00" * 32,
        trip_id=f"{number:064x}"[::-1],
        format="plain-csv",
        t_ns=np.arange(5, dtype=np.int64) * 10**7,
        acc=np.column_stack((ints, -ints, ints + 98_000)).astype(np.int32),
        fix_t_ns=np.arange(3, dtype=np.int64) * 10**9,
        lat_e7=np.array([420_000_000, -1, 2**31 - 1], np.int32),
        lon_e7=np.array([-710_000_000, 0, -(2**31)], np.int32),
        speed_mms=np.array([-1, 0, 9000], np.int32),
        heading_cdeg=np.array([-1, 0, 35_999], np.int32),
        accuracy_mm=np.array([-1, 1, 5000], np.int32),
        origin_ns=-5,
        gravity=Gravity.KEPT,
        time_basis=TimeBasis.ABSOLUTE,
        device=device,
        synthetic=True,
        gyro=ints[:, None] * np.ones((1, 3), np.int32) if gyro else None,
        warnings=("one", "zwei – ü"),
    )


def bumps_of(one: Trip, *, lat: float = 42.0, unknown: bool = False) -> pd.DataFrame:
    """Two jolts, the second without a place."""
    where = [lat, np.nan]
    values: dict[str, object] = {c.name: [0.5, np.nan if unknown else 0.25]
                                 for c in model.BUMPS.columns}  # fmt: skip
    values |= {"trip_key": [one.key] * 2, "seq": [0, 1], "t_utc_ns": [7, 2**60],
               "lat_deg": where, "lon_deg": [-71.0, np.nan]}  # fmt: skip
    return model.BUMPS.build(values)


def passes_of(one: Trip) -> pd.DataFrame:
    """Two passes, of the second no more is known than where it was."""
    values: dict[str, object] = {c.name: [0.5, np.nan] if c.dtype == "float64" else [0, 1]
                                 for c in model.PASSES.columns}  # fmt: skip
    bins = bin_of(np.array([42.0, 42.0003]), np.array([-71.0, -71.0]))
    return model.PASSES.build({**values, "trip_key": [one.key] * 2, "bin": bins})


def take(
    store: Store,
    one: Trip,
    upload_id: str = "u1",
    options: str = "{}",
    passes: pd.DataFrame | None = None,
) -> None:
    store.offer([Offer(upload_id, "n", "s", options)], now_ns=1)
    (upload,) = store.claim_uploads(owner="me", now_ns=1, lease_ns=10, limit=1)
    found = Detection(bumps_of(one), model.PASSES.empty() if passes is None else passes)
    done = Outcome(upload, [Taken.of(one, found)])
    store.commit_uploads([done], generation="g", halo_m=HALO_M, owner="me", now_ns=2)


def test_the_migrations_make_the_declared_schema(tmp_path: Path) -> None:
    """After all migrations nothing differs from the declared tables, and HEAD is the newest."""
    Store(f"sqlite:///{tmp_path / 's.db'}").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 's.db'}")
    with engine.connect() as c:
        assert compare_metadata(MigrationContext.configure(c), tables.metadata) == []
        assert c.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == HEAD
    engine.dispose()
    versions = Path(tables.__file__).parent / "migrations" / "versions"
    assert max(p.name[:4] for p in versions.glob("0*.py")) == HEAD


def as_first(path: Path) -> None:
    """A store as the first release made it, with one pass in it."""
    config = Config()
    config.set_main_option("script_location", str(Path(tables.__file__).parent / "migrations"))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as c:
        config.attributes["connection"] = c
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as c, c:
        c.execute(
            "INSERT INTO generations VALUES ('g', 'c', '{}', 'a', 'm', 1, 0, 1)",
        )
        c.execute(
            "INSERT INTO passes (generation, cell, trip_key, seq, bin, t_utc_ns, heading_deg,"
            " speed_ms, weight) VALUES ('g', 5, 7, 0, 9, 11, 90.0, 12.5, 1.0)"
        )


def test_passes_of_an_older_store_have_no_roughness(tmp_path: Path) -> None:
    """Upgraded, an old pass is as it was, and how rough it was is unknown; new ones know."""
    as_first(tmp_path / "s.db")
    with Store(f"sqlite:///{tmp_path / 's.db'}") as store:
        passes, dated = store.passes(store.pass_cells())
        (row,) = passes.to_dict("records")
        assert (row["trip_key"], row["bin"], row["speed_ms"]) == (7, 9, 12.5)
        assert np.isnan([row["roughness_ms2"], row["roughness_err_ms2"]]).all()
        assert dated.tolist() == [False]
        take(store, trip(), passes=passes_of(trip()))
        passes, _ = store.passes(store.pass_cells())
        assert passes["roughness_ms2"].notna().sum() == 1


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A store of a newer release is not opened, not changed."""
    path = tmp_path / "s.db"
    Store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as c, c:
        c.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="made by a newer streetbump"):
        Store(f"sqlite:///{path}")


def test_no_plan_reads_a_whole_generation(store: Store) -> None:
    """The jolts of a cluster are found by trip, however few rows a new store's planner sees."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(
        _c: object, _cursor: object, said: str, values: tuple[object, ...], *_: object
    ) -> None:
        asked.append((said, values))

    sa.event.listen(store._engine, "before_cursor_execute", note)
    store.members(["one", "two"])
    with sqlite3.connect(store._engine.url.database or "") as db:
        plans = [
            row[3]
            for said, values in asked
            if said.startswith("SELECT members")
            for row in db.execute(f"EXPLAIN QUERY PLAN {said}", values)
        ]
    (jolts,) = (step for step in plans if "bumps" in step)
    assert "trip_key=?" in jolts


def test_the_journal_is_really_write_ahead(store: Store) -> None:
    """What the database answers counts, not what it was told."""
    with closing(sqlite3.connect(store.path)) as c:
        assert c.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("gyro", [False, True])
def test_a_trip_comes_back_from_the_archive_as_it_went(tmp_path: Path, gyro: bool) -> None:
    """Every field and dtype, extremes and unknowns included."""
    archive = Archive(tmp_path)
    one = trip(gyro=gyro)
    archive.save(one.trip_id, to_bytes(one))
    back = archive.load(one.trip_id)
    for name in Trip.__dataclass_fields__:
        a, b = getattr(one, name), getattr(back, name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b, name
    assert archive.path_of(one.trip_id).stat().st_mode & 0o77 == 0


def test_a_damaged_archive_file_is_said(tmp_path: Path) -> None:
    """Cut or foreign bytes are an error in our words."""
    data = to_bytes(trip())
    for bad in (data[:-40], b"PAR1" + bytes(50), b""):
        with pytest.raises(StoreError, match="archive: a damaged trip file"):
            from_bytes(bad)


def test_a_trip_without_fixes_or_samples_can_be_archived() -> None:
    """Empty columns keep their type."""
    none = np.empty(0, np.int32)
    empty = replace(trip(), fix_t_ns=np.empty(0, np.int64), lat_e7=none, lon_e7=none,
                    speed_mms=none, heading_cdeg=none, accuracy_mm=none)  # fmt: skip
    back = from_bytes(to_bytes(empty))
    assert (back.lat_e7.dtype, len(back.fix_t_ns)) == (np.int32, 0)


def test_jolts_come_back_with_what_is_unknown(store: Store) -> None:
    """NaN goes in as null and comes back as NaN; integers keep all their digits."""
    one = trip()
    take(store, one)
    region = store.load_region("g", cells_around(_cells(store), halo_m=HALO_M))
    expected = bumps_of(one).iloc[:1].reset_index(drop=True)  # the unplaced one is in no cell
    pd.testing.assert_frame_equal(region.bumps, expected, check_exact=True)
    assert region.trips.to_dict("records") == [
        {"trip_key": one.key, "device": "d1", "dated": True, "synthetic": True}
    ]


def test_passes_come_back_with_what_is_unknown(store: Store) -> None:
    """NaN in every column of a pass goes in as null and comes back; the trip says it is dated."""
    one = trip()
    take(store, one, passes=passes_of(one))
    passes, dated = store.passes(store.pass_cells())
    order = passes.sort_values("seq", ignore_index=True)
    pd.testing.assert_frame_equal(order, passes_of(one), check_exact=True)
    assert dated.tolist() == [True, True]
    none, _ = store.passes(np.empty(0, np.int64))
    pd.testing.assert_frame_equal(none, model.PASSES.empty())


def _cells(store: Store) -> np.ndarray:
    return np.array([cell for cell, _ in store.stale_cells("g", limit=1000)], dtype=np.int64)


def test_an_upload_is_taken_once(store: Store) -> None:
    """Accepted stays accepted under the same options; other options queue it again."""
    take(store, trip())
    assert store.offer([Offer("u1", "n", "s", "{}")], now_ns=3) == ["accepted"]
    assert store.claim_uploads(owner="me", now_ns=3, lease_ns=10, limit=5) == ()
    assert store.offer([Offer("u1", "n", "s", '{"tz":"UTC"}')], now_ns=3) == ["queued"]
    take(store, trip(2), options='{"tz":"UTC"}')
    assert store.counts()["trips"] == 1
    assert set(store.handles([trip().key, trip(2).key])) == {trip(2).key}


def test_a_trip_of_two_uploads_stays_while_one_of_them_has_it(store: Store) -> None:
    """Removing one source of a trip leaves it; its device is then the other's."""
    take(store, trip(device="a"), "u1")
    take(store, trip(device="b"), "u2")
    assert store.counts()["trips"] == 1
    take(store, trip(2, device="a"), "u1", options='{"tz":"UTC"}')
    region = store.load_region("g", cells_around(_cells(store), halo_m=HALO_M))
    assert dict(zip(region.trips["trip_key"], region.trips["device"], strict=True)) == {
        trip().key: "b",
        trip(2).key: "a",
    }


def _committed(store: Store, history: list[tuple[str, str, list[Trip]]], at_once: int) -> None:
    """Uploads of a history (id, options, trips), so many in each commit."""
    for begin in range(0, len(history), at_once):
        some = {upload_id: (said, trips) for upload_id, said, trips in history[begin:][:at_once]}
        store.offer([Offer(name, "n", "s", said) for name, (said, _) in some.items()], now_ns=1)
        uploads = store.claim_uploads(owner="me", now_ns=1, lease_ns=10, limit=at_once)
        ended = [
            Outcome(
                u, [Taken.of(t, Detection(bumps_of(t), passes_of(t))) for t in some[u.upload_id][1]]
            )
            if some[u.upload_id][1]
            else Outcome(u, rejected=[Rejected(u.upload_id, Reason.EMPTY, "nothing in it")])
            for u in uploads
        ]
        store.commit_uploads(ended, generation="g", halo_m=HALO_M, owner="me", now_ns=2)


def _everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of what uploads leave, but for random handles."""
    some = ("uploads", "upload_trips", "trips", "detections", "bumps", "passes", "cells", "leases")
    engine = sa.create_engine(f"sqlite:///{store.path}")
    left = {}
    with engine.connect() as c:
        for name in some:
            columns = [one for one in tables.metadata.tables[name].c if one.name != "handle"]
            left[name] = sorted(map(tuple, c.execute(sa.select(*columns))), key=repr)
    engine.dispose()
    return left


@pytest.mark.parametrize("seed", range(4))
def test_uploads_committed_together_leave_what_they_leave_one_by_one(
    tmp_path: Path, seed: int
) -> None:
    """Trips shared, taken back, claimed by several devices, refused: the same rows and digests."""
    rng = np.random.default_rng(seed)
    history = []
    for k in range(24):  # each upload id twice, the second time under other options
        numbers = rng.choice(5, size=rng.integers(0, 4), replace=False)
        devices = rng.choice(np.array(["a", "b", None], object), size=len(numbers))
        trips = [trip(int(n) + 1, device=d) for n, d in zip(numbers, devices, strict=True)]
        history.append((f"u{k % 12:02d}", f'{{"said":{k // 12}}}', trips))
    left = []
    for at_once in (1, 5, 12):
        with Store(f"sqlite:///{tmp_path / str(at_once)}.db") as store:
            store.add_generation(
                name="g", content="c", settings="{}", algorithm="a", model="m", now_ns=1
            )
            _committed(store, history, at_once)
            left.append(_everything(store))
    assert len(left[0]["trips"]) > 1
    assert left[0] == left[1] == left[2]


def test_the_digest_of_a_cell_depends_on_trips_not_on_their_order(tmp_path: Path) -> None:
    """Two trips in either order, and a third added and removed, leave the same digests."""
    digests = []
    for name, order in (("a", (1, 2)), ("b", (2, 1)), ("c", (3, 1, 2))):
        with Store(f"sqlite:///{tmp_path / name}.db") as store:
            store.add_generation(
                name="g", content="c", settings="{}", algorithm="a", model="m", now_ns=1
            )
            for number in order:
                take(store, trip(number), f"u{number}")
            if 3 in order:  # read again as something else: trip 3 goes
                take(store, trip(1), "u3", options='{"again":1}')
            digests.append(store.stale_cells("g", limit=1000))
    assert digests[0] == digests[1] == digests[2]


def test_a_lease_holds_off_others_until_it_ends_or_its_owner_is_gone(tmp_path: Path) -> None:
    """Held, expired, owner gone, owner again: only the first keeps somebody else away."""
    gone: set[str] = set()
    with Store(f"sqlite:///{tmp_path / 's.db'}", gone=lambda owner: owner in gone) as store:
        claim = {"resource": "x", "lease_ns": 100}
        assert store.claim(owner="a", now_ns=0, **claim)
        assert not store.claim(owner="b", now_ns=99, **claim)
        assert store.claim(owner="a", now_ns=99, **claim)
        assert not store.claim(owner="b", now_ns=198, **claim)
        assert store.claim(owner="b", now_ns=199, **claim)
        gone.add("b")
        assert store.claim(owner="c", now_ns=200, **claim)


def test_work_whose_lease_has_passed_on_is_not_committed(store: Store) -> None:
    """A process that was paused past its lease finds the door closed: nothing of it is stored."""
    store.offer([Offer("u1", "n", "s", "{}")], now_ns=1)
    (slow,) = store.claim_uploads(owner="slow", now_ns=1, lease_ns=10, limit=1)
    (quick,) = store.claim_uploads(owner="quick", now_ns=20, lease_ns=10, limit=1)
    args = {"generation": "g", "halo_m": HALO_M, "now_ns": 21}
    found = Detection(bumps_of(trip()), model.PASSES.empty())
    with pytest.raises(StoreBusy, match="has passed to another process"):
        store.commit_uploads([Outcome(slow, [Taken.of(trip(), found)])], owner="slow", **args)
    assert store.counts()["trips"] == 0
    assert quick.attempts == 2
    rejected = Rejected("u1", Reason.EMPTY, "nothing in it")
    store.commit_uploads([Outcome(quick, rejected=[rejected])], owner="quick", **args)
    assert store.upload("u1") == ("rejected", "EMPTY", "nothing in it")


def obstacles(*rows: tuple[str, float, str]) -> pd.DataFrame:
    n = len(rows)
    return model.OBSTACLES.build(
        {
            "obstacle_id": [r[0] for r in rows],
            "source": ["x"] * n,
            "source_id": [r[0] for r in rows],
            "kind": ["hump"] * n,
            "class": ["hump"] * n,
            "wkt": [f"POINT (-71 {r[1]})" for r in rows],
            "radius_m": [12.0] * n,
            "owner": [r[2] or None for r in rows],
            "valid_from": [None] * n,
            "valid_to": [None] * n,
            "revision": [1] * n,
        }
    )


def test_importing_obstacles_again_changes_nothing(store: Store) -> None:
    """New, then known; a changed row gets a new revision and makes its surroundings stale."""
    take(store, trip())
    before = store.stale_cells("g", limit=1000)

    def put(rows: pd.DataFrame) -> tuple[int, int]:
        return store.put_obstacles(rows, points=points_of, halo_m=HALO_M, now_ns=5)

    two = obstacles(("o1", 42.0, ""), ("o2", 42.0001, "city"))
    assert put(two) == (2, 0)
    first = store.stale_cells("g", limit=1000)
    assert first != before
    assert put(two) == (0, 0)
    assert store.stale_cells("g", limit=1000) == first
    assert put(obstacles(("o2", 42.0002, "city"))) == (0, 1)
    stored = store.obstacles()
    assert dict(zip(stored["obstacle_id"], stored["revision"], strict=True)) == {"o1": 1, "o2": 2}
    pd.testing.assert_frame_equal(stored.iloc[:1], two.iloc[:1], check_exact=True)


def test_two_processes_write_one_after_the_other(tmp_path: Path) -> None:
    """A writer waits for another's transaction instead of failing."""
    url = f"sqlite:///{tmp_path / 's.db'}"
    with Store(url) as a, Store(url) as b:
        for k in range(20):
            store = (a, b)[k % 2]
            store.offer([Offer(f"u{k}", "n", "s", "{}")], now_ns=k)
        assert a.counts()["uploads"] == 20


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure before the rename leaves the old content."""
    path = tmp_path / "x"
    Files().write(path, b"old")

    def fails(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("streetbump.stores.files.os.fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        Files().write(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_the_audit_names_trips_by_handles_only(store: Store) -> None:
    """No trip id, no key and no device in the audit: forgetting a trip is deleting its handle."""
    one = trip()
    take(store, one)
    text = str(store.audit())
    assert one.trip_id[:16] not in text
    assert str(one.key) not in text
    assert store.handles([one.key])[one.key] in text


def test_uploads_wait_in_the_order_of_their_coming(store: Store) -> None:
    """The longest waiting is claimed first, and no more than asked for."""
    for k in (3, 1, 2):
        store.offer([Offer(f"u{k}", "n", "s", "{}")], now_ns=k)
    got = store.claim_uploads(owner="me", now_ns=9, lease_ns=10, limit=2)
    assert [u.upload_id for u in got] == ["u1", "u2"]
    assert all(isinstance(u, Upload) for u in got)
    rest = store.claim_uploads(owner="you", now_ns=9, lease_ns=10, limit=2)
    assert [u.upload_id for u in rest] == ["u3"]


def test_a_file_that_kills_its_reader_takes_no_other_down(store: Store) -> None:
    """What was begun and never ended comes last and alone."""
    for k in (1, 2, 3):
        store.offer([Offer(f"u{k}", "n", "s", "{}")], now_ns=k)
    claim = {"lease_ns": 10, "limit": 2}
    first = store.claim_uploads(owner="dies", now_ns=9, **claim)
    assert [u.upload_id for u in first] == ["u1", "u2"]
    assert [u.upload_id for u in store.claim_uploads(owner="me", now_ns=99, **claim)] == ["u3"]
    again = store.claim_uploads(owner="me", now_ns=99, **claim)
    assert [(u.upload_id, u.attempts) for u in again] == [("u1", 2)]
    store.offer([Offer("u2", "n", "s", "{}")], now_ns=100)
    offered = store.claim_uploads(owner="me", now_ns=101, **claim)
    assert [(u.upload_id, u.attempts) for u in offered] == [("u2", 2)]


def test_the_digest_knows_obstacles_and_trips_in_either_order(tmp_path: Path) -> None:
    """Obstacles first or trips first, a line over several cells included: the same digests."""
    line = obstacles(("o1", 42.0, ""), ("o2", 42.0001, ""))
    line["wkt"] = ["LINESTRING (-71.01 42, -70.99 42)", "POINT (-71 42.0001)"]
    digests = []
    for name in ("trips first", "obstacles first"):
        with Store(f"sqlite:///{tmp_path / name}.db") as store:
            store.add_generation(
                name="g", content="c", settings="{}", algorithm="a", model="m", now_ns=1
            )
            if name == "trips first":
                take(store, trip())
                bare = store.stale_cells("g", limit=1000)
            store.put_obstacles(line, points=points_of, halo_m=HALO_M, now_ns=5)
            if name == "obstacles first":
                take(store, trip())
            digests.append(store.stale_cells("g", limit=1000))
    assert digests[0] == digests[1]
    assert all(a != b for a, b in zip(digests[0], bare, strict=True))
