"""The truths of the design, on the whole: same trips, same clusters; at most one report."""

from __future__ import annotations

import errno
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streetbump.commands.doctor import doctor
from streetbump.commands.generations import compare, promote, reprocess
from streetbump.commands.inputs import TripOptions
from streetbump.commands.places import cluster_table
from streetbump.commands.requests import plan_table, practice_profile
from streetbump.commands.review import review, review_table
from streetbump.commands.session import Session, offer_files, reopened
from streetbump.config import parse_settings
from streetbump.errors import GenerationError, StoreBusy, UsageError
from streetbump.executors import Processes
from streetbump.geo import distance_m
from streetbump.pipeline import Status, advance
from streetbump.stores.files import Files
from streetbump.submit.plan import Action
from streetbump.submit.sandbox import Sandbox

from .conftest import FIXTURES, TRIPS, Workshop, import_inventory, no_stdin, take_in


def everything(session: Session) -> dict[str, pd.DataFrame]:
    """Every stored column of clusters, members and stretches."""
    clusters = session.store.clusters()
    return {
        "clusters": clusters,
        "members": session.store.members(clusters["cluster_id"]),
        "stretches": session.store.stretches(),
    }


def assert_same(a: Session, b: Session) -> None:
    one, other = everything(a), everything(b)
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True)


class Killed(BaseException):
    """Stands for a process that ends at once: nothing after it runs."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """All fixture trips and obstacles, taken in one go."""
    shop = Workshop(tmp_path_factory.mktemp("reference"))
    session = shop.open()
    import_inventory(session)
    take_in(session)
    yield session
    shop.close()


def test_the_fixtures_are_enough_to_tell(reference: Session) -> None:
    """There are at least 20 clusters to compare, five of them from three trips or more."""
    clusters = reference.store.clusters()
    assert len(clusters) >= 12
    assert (clusters["n_trips"] >= 3).sum() >= 5


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_files_does_not_show(
    workshop: Workshop, reference: Session, seed: int
) -> None:
    """Files in any order give the same clusters, byte for byte over all stored columns."""
    paths = list(TRIPS)
    random.Random(seed).shuffle(paths)  # noqa: S311
    session = workshop.open()
    import_inventory(session)
    take_in(session, paths)
    assert_same(session, reference)


def test_one_file_at_a_time_gives_the_same(workshop: Workshop, reference: Session) -> None:
    """Thirteen runs of one file, the inventory last, end where one run of thirteen ends."""
    session = workshop.open()
    for path in reversed(TRIPS):
        take_in(session, [path])
    import_inventory(session)
    session.until_idle()
    assert_same(session, reference)


def test_running_twice_changes_nothing(workshop: Workshop, reference: Session) -> None:
    """A trip uploaded twice is one trip: the second run finds no work."""
    session = workshop.open()
    import_inventory(session)
    take_in(session)
    take_in(session)
    assert advance(session.store, now_ns=workshop.now_ns, work=session.work).status is Status.IDLE
    assert_same(session, reference)


def test_another_name_of_the_same_drive_is_the_same_trip(
    workshop: Workshop, reference: Session
) -> None:
    """A copy that says another device is no new trip: the lowest pseudonym has it, in any order."""
    text = Path(TRIPS[0]).read_text("utf-8")
    copy = workshop.folder / "copy.csv"
    copy.write_text(text.replace("phone-ada", "phone-zoe"), "utf-8")
    assert copy.read_text("utf-8") != text
    stores = []
    for name, paths in (("a", [str(copy), TRIPS[0]]), ("b", [TRIPS[0], str(copy)])):
        session = workshop.open(name)
        take_in(session, paths)
        assert session.store.counts()["trips"] == 1
        stores.append(session)
    assert_same(*stores)


def test_a_pool_of_processes_gives_the_same(workshop: Workshop, reference: Session) -> None:
    """The executor does not show."""
    from dataclasses import replace

    session = workshop.open()
    import_inventory(session)
    with Processes(2) as pool:
        pooled = replace(session, work=replace(session.work, executor=pool))
        take_in(pooled)
    assert_same(session, reference)


@pytest.mark.parametrize("point", ["upload claimed", "clusters claimed", "clusters computed"])
@pytest.mark.parametrize("after", [1, 2])
def test_a_crash_at_any_step_changes_nothing_in_the_end(
    workshop: Workshop, reference: Session, point: str, after: int
) -> None:
    """Killed at a step once or twice, the next process goes on and ends in the same place."""
    left = [after]

    def kill(name: str) -> None:
        if name == point and left[0]:
            left[0] -= 1
            raise Killed

    session = workshop.open(checkpoint=kill)
    import_inventory(session)
    options = TripOptions()
    offer_files(session, TRIPS, options, stdin=no_stdin)
    for _ in range(after):
        with pytest.raises(Killed):
            session.until_idle()
        leases = session.store.leases()
        assert leases, "the ledger must show who was at it"
        assert all(until > workshop.now_ns for _, _, until in leases)
    session.until_idle()
    assert not left[0]
    assert_same(session, reference)


def test_reprocessing_gives_the_same_clusters_beside_the_active_ones(
    workshop: Workshop, reference: Session
) -> None:
    """From the archive alone, every trip again: the same clusters, and nothing active changes."""
    session = workshop.open()
    import_inventory(session)
    take_in(session)
    reprocess(workshop.open(generation="again"), paths=(), stdin=no_stdin)
    pd.testing.assert_frame_equal(
        session.store.clusters("again"), session.store.clusters(), check_exact=True
    )
    assert_same(session, reference)


def test_reprocessing_goes_on_where_it_stopped(workshop: Workshop) -> None:
    """Killed in the middle, the same name goes on; what was done is not done again."""
    session = workshop.open()
    take_in(session, TRIPS[:6])
    left = [2]

    def kill(name: str) -> None:
        left[0] -= name == "trip committed"
        if left[0] == 0:
            left[0] = -1
            raise Killed

    dying = workshop.open(generation="again", checkpoint=kill)
    with pytest.raises(Killed):
        reprocess(dying, paths=(), stdin=no_stdin)
    pending = session.store.trips_pending("again")
    assert 0 < pending < 6
    reprocess(workshop.open(generation="again"), paths=(), stdin=no_stdin)
    assert session.store.trips_pending("again") == 0


def test_other_settings_are_another_generation(workshop: Workshop) -> None:
    """Settings that differ are refused by run, computed beside, and active only once promoted."""
    session = workshop.open()
    take_in(session, TRIPS[:4])
    wide = parse_settings("[cluster]\neps_m = 14.0\n", where="wide.toml")
    with pytest.raises(GenerationError, match=r"differ from those .* reprocess"):
        workshop.open(settings=wide)
    reprocess(workshop.open(generation="wide", settings=wide), paths=(), stdin=no_stdin)
    assert session.store.active().name == "settings-1"
    table = compare(session.store, "settings-1", "wide")
    assert list(table["active"]) == [True, False]
    session.store.promote("wide", now_ns=workshop.now_ns)
    assert workshop.open(settings=wide).work.generation.name == "wide"


def test_a_store_of_an_older_version_is_reprocessed_and_promoted(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older version computed is not added to: reprocess leads out, and doctor says so."""
    with monkeypatch.context() as older:
        older.setattr("streetbump.detect.ALGORITHM", "detect-0")
        session = workshop.open()
        take_in(session, TRIPS[:4])
    with pytest.raises(GenerationError, match=r"computed by detect-0.*streetbump reprocess"):
        workshop.open()
    assert "detect-0" in dict(zip(*states(workshop), strict=True))["old"]
    with pytest.raises(GenerationError, match=r"'settings-1' was computed by detect-0"):
        promote(session.store, "settings-1", now_ns=workshop.now_ns)
    with pytest.raises(GenerationError, match=r"exists with other .*detect-0.*another name"):
        workshop.open(generation="settings-1")
    again = workshop.open(generation="upgraded")
    reprocess(again, paths=(), stdin=no_stdin)
    promote(again.store, "upgraded", now_ns=workshop.now_ns)
    assert workshop.open().work.generation.name == "upgraded"
    assert "old" not in states(workshop)[0]
    assert session.store.clusters("settings-1").shape == session.store.clusters("upgraded").shape


def states(workshop: Workshop) -> tuple[list[str], list[str]]:
    """The states that doctor tells, and what it says of them."""
    table = doctor(workshop.url(), environ=workshop.environ)
    table = table[table["what"] == "generation"]
    return list(table["state"]), list(table["detail"])


def test_a_named_generation_goes_on_with_its_own_settings(workshop: Workshop) -> None:
    """Begun with settings, it needs only its name to go on; a new one takes the active one's."""
    wide = parse_settings("[cluster]\neps_m = 14.0\n", where="wide.toml")
    assert workshop.open().settings.cluster.eps_m != 14.0
    workshop.open(generation="wide", settings=wide)
    assert workshop.open(generation="wide").settings == wide
    assert workshop.open(generation="more").settings == workshop.open().settings


def test_an_unfinished_generation_cannot_be_promoted(workshop: Workshop) -> None:
    """Promoting waits until every trip has been computed."""
    session = workshop.open()
    take_in(session, TRIPS[:2])
    from streetbump.pipeline.generations import register

    register(session.store, session.settings, name="empty", now_ns=workshop.now_ns)
    with pytest.raises(StoreBusy, match="lacks 2 trips"):
        session.store.promote("empty", now_ns=workshop.now_ns)
    with pytest.raises(UsageError, match="no generation is called 'none'"):
        session.store.promote("none", now_ns=workshop.now_ns)


def test_what_the_fixtures_hold_is_found(reference: Session) -> None:
    """Exactly the placed potholes are flagged, each within 6 m; humps and castings are not."""
    truth = pd.read_csv(FIXTURES / "truth.csv")
    places = [p for p in reference.store.places() if p.jolt_class == "pothole"]
    assert {p.state for p in places} == {"flagged"}
    found = set()
    for place in places:
        away = distance_m(
            place.lat_deg, place.lon_deg, truth["lat_deg"].to_numpy(), truth["lon_deg"].to_numpy()
        )
        assert away.min() <= 6
        found.add(truth["defect_id"][int(np.argmin(away))])
    assert found == set(truth.loc[truth["kind"] == "pothole", "defect_id"])


def test_unnamed_trips_flag_nothing(workshop: Workshop) -> None:
    """The same trips without a device give clusters, and none of them reaches a quorum."""
    for path in TRIPS:
        lines = Path(path).read_text("utf-8").splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("# device"))
        (workshop.folder / Path(path).name).write_text(text, "utf-8")
    unnamed = sorted(str(p) for p in workshop.folder.glob("*-2026-*.csv"))
    session = workshop.open()
    import_inventory(session)
    result = take_in(session, unnamed)
    assert len(result.clusters) >= 12
    assert set(result.clusters["n_devices"]) == {0}
    assert session.store.places() == ()
    assert any("no trip names its device" in words for words in result.words)
    trusting = workshop.open("trusting")
    import_inventory(trusting)
    take_in(trusting, unnamed, trust_unnamed=True)
    assert len(trusting.store.places()) >= 5


def clock_file() -> bytes:
    """Five minutes with a clock that names no day: Physics Toolbox, ten samples a second."""
    rows = ["time,gFx,gFy,gFz,Latitude,Longitude,Speed (m/s),"]
    for k in range(3000):
        clock = f"10:{k // 600:02d}:{k // 10 % 60:02d}:{k % 10 * 100:03d}"
        wave = 1 + 0.02 * (k % 5)
        rows.append(f"{clock},0.0{k % 3},0.0{k % 2},{wave:.2f},{12 + k * 1e-5:.6f},20.000000,11.0,")
    return ("\n".join(rows) + "\n").encode()


def test_other_options_replace_the_trips_of_an_upload(workshop: Workshop) -> None:
    """A file read again in another time zone is the same upload, not a second trip."""
    path = workshop.folder / "clock.csv"
    path.write_bytes(clock_file())
    session = workshop.open()
    take_in(session, [str(path)], date="2026-03-03", tz="UTC")
    first = session.store.counts()
    take_in(session, [str(path)], date="2026-03-03", tz="America/New_York")
    assert first["trips"] == session.store.counts()["trips"] == 1


# ----------------------------------------------------------------- reports, over real HTTP


@pytest.fixture
def city(workshop: Workshop) -> Iterator[Sandbox]:
    """A practice city on loopback, with the workshop's clock."""
    with Sandbox(0, ledger_path=workshop.folder / "ledger.jsonl", clock=workshop.utc) as opened:
        yield opened


def test_each_pothole_is_reported_once(workshop: Workshop, city: Sandbox) -> None:
    """Five potholes, five requests; running, planning and submitting again add none."""
    session = workshop.open(desks=[workshop.desk(city)])
    import_inventory(session)
    take_in(session, allow_send=True)
    truth = pd.read_csv(FIXTURES / "truth.csv")
    potholes = truth[truth["kind"] == "pothole"]
    ledger = city.ledger()
    assert len(ledger) == len(potholes) == 5
    for request in ledger:
        away = distance_m(
            request["lat"], request["long"],
            potholes["lat_deg"].to_numpy(), potholes["lon_deg"].to_numpy(),
        )  # fmt: skip
        assert away.min() <= 6
    result = take_in(session, allow_send=True)
    assert "nothing new was reported" in result.words
    assert set(plan_table(session)["action"]) == {Action.SKIP.value}
    assert len(city.ledger()) == 5
    states = {p.state for p in session.store.places() if p.jolt_class == "pothole"}
    assert states == {"reported"}


def test_a_city_that_lost_its_ledger_gets_nothing_again(workshop: Workshop, city: Sandbox) -> None:
    """What was sent once is not sent again, even when the city knows nothing of it."""
    session = workshop.open(desks=[workshop.desk(city)])
    import_inventory(session)
    take_in(session, allow_send=True)
    city.reset()
    take_in(session, allow_send=True)
    assert city.ledger() == []


def test_a_store_that_was_lost_reports_nothing_again(workshop: Workshop, city: Sandbox) -> None:
    """A new store with the same trips finds the city's open requests and links to them."""
    for name in ("first", "second"):
        session = workshop.open(name, desks=[workshop.desk(city)])
        import_inventory(session)
        take_in(session, allow_send=True)
    assert len(city.ledger()) == 5
    assert {row.state for row in session.store.outbox()} == {"duplicate"}


def test_without_send_nothing_leaves(workshop: Workshop, city: Sandbox) -> None:
    """A dry run shows what would be sent, and touches neither city nor outbox."""
    session = workshop.open(desks=[workshop.desk(city)])
    import_inventory(session)
    result = take_in(session)
    assert any("dry run: 5 places would be reported" in words for words in result.words)
    assert list(plan_table(session)["action"]).count("send") == 5
    assert (city.ledger(), session.store.outbox()) == ([], ())


def test_the_first_plan_after_a_promotion_is_held(workshop: Workshop, city: Sandbox) -> None:
    """Another generation's findings are looked at by a person before they are sent."""
    session = workshop.open(desks=[workshop.desk(city)])
    import_inventory(session)
    take_in(session)
    reprocess(workshop.open(generation="next"), paths=(), stdin=no_stdin)
    session.store.promote("next", now_ns=workshop.now_ns)
    again = workshop.open(desks=[workshop.desk(city)])
    take_in(again, allow_send=True)
    assert city.ledger() == []
    table = plan_table(again)
    held = table[table["action"] == "hold"]
    assert len(held) == 5
    assert held["why"].str.contains("promoted").all()


def test_after_a_promotion_every_place_is_planned_from_the_new_clusters(
    workshop: Workshop, city: Sandbox
) -> None:
    """Nothing new need be driven: places follow, are held, and go out once approved."""
    session = workshop.open(desks=[workshop.desk(city)])
    import_inventory(session)
    take_in(session)
    wide = parse_settings("[detect]\non_ratio = 2.9\n", where="x")
    reprocess(workshop.open(generation="next", settings=wide), paths=(), stdin=no_stdin)
    session.store.promote("next", now_ns=workshop.now_ns)
    again = reopened(session)
    assert again.work.generation.name == "next"
    again.until_idle(lanes=("cluster",))
    table = plan_table(again)
    assert list(table["action"]).count("hold") == 5
    assert (cluster_table(again.store)["place_id"].notna()).sum() >= 5
    for place_id in review_table(again.store)["place_id"]:
        review(again.store, place_id, "approve", by="Ann", note="", now_ns=workshop.now_ns)
    again.until_idle(allow_send=True)
    assert len(city.ledger()) == 5


def test_reprocessing_named_files_leaves_what_is_known_of_them(workshop: Workshop) -> None:
    """A file that was read under options is not read again without them."""
    session = workshop.open()
    path = workshop.folder / "clock.csv"
    path.write_bytes(clock_file())
    take_in(session, [str(path)], date="2026-03-03", tz="UTC", device="me")
    before = sorted(p.name for p in session.store.archive.root.rglob("*.parquet"))
    reprocess(workshop.open(generation="g2"), paths=[str(path)], stdin=no_stdin)
    assert sorted(p.name for p in session.store.archive.root.rglob("*.parquet")) == before
    assert (session.store.trips_pending("g2"), session.store.counts()["trips"]) == (0, 1)


FILE_CITY = """
schema_version = 1
name = "listed"
title = "A city with a work list"
timezone = "UTC"
live = true
[boundary]
kind = "bbox"
west = -180.0
south = -90.0
east = 180.0
north = 90.0
[channel]
kind = "file"
path = "list.csv"
[services.pothole]
code = "P"
name = "Pothole"
"""


def unmarked(folder: Path) -> list[str]:
    """The fixture trips without their synthetic mark: real ones, for a city with a work list."""
    folder.mkdir()
    for path in TRIPS:
        text = Path(path).read_text("utf-8").replace("# synthetic: yes\n", "")
        (folder / Path(path).name).write_text(text, "utf-8")
    return sorted(str(p) for p in folder.iterdir())


def test_a_work_list_that_could_not_be_written_is_written_later(workshop: Workshop) -> None:
    """The list's place is taken by a folder, then free: every pothole ends in it once."""
    import os
    from contextlib import ExitStack

    from streetbump import runtime

    (workshop.folder / "listed.toml").write_text(FILE_CITY, "utf-8")
    blocked = workshop.folder / "list.csv"
    blocked.mkdir()
    with ExitStack() as stack:
        desk = runtime.open_desk(
            str(workshop.folder / "listed.toml"), environ=os.environ, stack=stack
        )
        session = workshop.open(desks=[desk])
        import_inventory(session)
        result = take_in(session, unmarked(workshop.folder / "real"), allow_send=True)
        assert result.waiting is not None
        blocked.rmdir()
        for _ in range(8):
            workshop.now_ns += 3_600_000_000_000
            session.until_idle(allow_send=True)
    assert {row.state for row in session.store.outbox()} == {"acked"}
    assert len(pd.read_csv(blocked)) == 5


def test_an_obstacle_that_comes_late_still_stops_a_report(
    workshop: Workshop, city: Sandbox
) -> None:
    """Between an import and the clustering after it, nothing around the obstacle is sent."""
    session = workshop.open(desks=[workshop.desk(city)])
    take_in(session)
    place = next(p for p in session.store.places() if p.jolt_class == "pothole")
    text = f"id,kind,lat,lon\n1,casting,{place.lat_deg},{place.lon_deg}\n"
    from streetbump.cluster.inventory import read_inventory
    from streetbump.pipeline.clusters import put_obstacles

    rows = read_inventory(text.encode(), source="x").rows
    put_obstacles(session.store, rows, settings=session.settings, now_ns=workshop.now_ns)
    progress = advance(
        session.store, now_ns=workshop.now_ns, work=session.work, lanes=("submit",),
        allow_send=True,
    )  # fmt: skip
    near = [r for r in city.ledger()
            if distance_m(r["lat"], r["long"], place.lat_deg, place.lon_deg) < 20]  # fmt: skip
    assert near == []
    assert progress.status is not Status.WAIT


@pytest.mark.parametrize(
    "point", ["intent committed", "sending committed", "answer received", "receipt committed"]
)
def test_a_crash_while_sending_never_reports_twice(
    workshop: Workshop, city: Sandbox, point: str
) -> None:
    """Killed anywhere around the POST, the city ends with one request per pothole, or a look-up.

    Before the POST left, the request is found missing and held for a person in the end; after
    it, it is found by its reference. Never is it sent a second time.
    """
    killed = [0]

    def kill(name: str) -> None:
        if name == point and not killed[0]:
            killed[0] = 1
            raise Killed

    session = workshop.open(desks=[workshop.desk(city)], checkpoint=kill)
    import_inventory(session)
    with pytest.raises(Killed):
        take_in(session, allow_send=True)
    for _ in range(50):  # days pass; each round looks again where something is unclear
        session.until_idle(allow_send=True)
        workshop.now_ns += 4 * 3_600_000_000_000
    states = sorted(row.state for row in session.store.outbox())
    if point == "sending committed":  # died before a byte left: nobody can know that afterwards
        assert states == ["acked"] * 4 + ["held"]
        assert len(city.ledger()) == 4
    else:
        assert states == ["acked"] * 5
        assert len(city.ledger()) == 5
    descriptions = [r["description"].split("Ref ")[1][:13] for r in city.ledger()]
    assert len(set(descriptions)) == len(descriptions)


def test_a_city_that_is_away_makes_us_wait_and_loses_nothing(
    workshop: Workshop,
) -> None:
    """Refused connections are waited out; when the city is back everything arrives once."""
    ledger = workshop.folder / "away.jsonl"
    with Sandbox(0, ledger_path=ledger, clock=workshop.utc) as city:
        port = int(city.url.rstrip("/").rsplit(":", 1)[1])
        desk = workshop.desk(city)
    session = workshop.open(desks=[desk])
    import_inventory(session)
    result = take_in(session, allow_send=True)
    assert result.waiting is not None
    with Sandbox(port, ledger_path=ledger, clock=workshop.utc) as city:
        workshop.now_ns += 3_600_000_000_000
        take_in(session, allow_send=True)
        assert len(city.ledger()) == 5


def test_real_trips_may_not_be_mixed_up_with_simulated_ones(
    workshop: Workshop, city: Sandbox
) -> None:
    """Simulated trips are refused by every endpoint that is not on this machine."""
    desk = workshop.desk(city)
    path = workshop.folder / "away.toml"
    text = practice_profile("https://city.example/open311/")
    path.write_text(text, "utf-8")
    import os
    from contextlib import ExitStack

    from streetbump import runtime

    with ExitStack() as stack:
        away = runtime.open_desk(str(path), environ=os.environ, stack=stack)
        session = workshop.open(desks=[away])
        import_inventory(session)
        take_in(session, allow_send=True)
        table = plan_table(session)
    assert desk.profile.loopback
    assert set(table["action"]) == {"skip"}
    taken = table["place_id"].notna() & ~table["why"].str.contains("takes no reports of class")
    assert taken.sum() >= 5
    assert table.loc[taken, "why"].str.contains("simulated").all()


class FullDisk(Files):
    """A file system that has room for so many more files."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, path: Path, data: bytes, *, private: bool = False) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        super().write(path, data, private=private)


def test_a_full_disk_accepts_nothing_it_cannot_keep(workshop: Workshop, reference: Session) -> None:
    """No trip is accepted whose file is not in the archive; with room again, all is taken."""
    files = FullDisk(room=5)
    session = workshop.open(files=files)
    import_inventory(session)
    with pytest.raises(OSError, match="No space left"):
        take_in(session)
    assert session.store.counts()["trips"] == 5
    assert len(list(session.store.archive.root.rglob("*.parquet"))) == 5
    files.room = 100
    take_in(session)
    assert_same(session, reference)


def test_a_trip_that_goes_leaves_no_file(workshop: Workshop) -> None:
    """Read again under other options, the first reading is gone from the archive too."""
    session = workshop.open()
    path = workshop.folder / "clock.csv"
    path.write_bytes(clock_file())
    take_in(session, [str(path)], date="2026-03-03", tz="UTC")
    (first,) = session.store.archive.root.rglob("*.parquet")
    take_in(session, [str(path)], date="2026-03-04", tz="UTC")
    (second,) = session.store.archive.root.rglob("*.parquet")
    assert first != second


def test_the_archive_is_needed_no_more_than_it_must(workshop: Workshop) -> None:
    """A trip whose file is gone from the archive is said to be missing, by name and place."""
    session = workshop.open()
    take_in(session, TRIPS[:1])
    shutil.rmtree(session.store.archive.root)
    with pytest.raises(Exception, match=r"archive: trip [0-9a-f]{12} is missing"):
        reprocess(workshop.open(generation="again"), paths=(), stdin=no_stdin)
