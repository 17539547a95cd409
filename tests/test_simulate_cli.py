"""``streetbump simulate`` as a user runs it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from streetbump.model import Trip
from streetbump.report.truth import parse_crossings, parse_description, parse_sites, parse_truth
from streetbump.simulate.writers import ENDING, WRITERS
from streetbump.trips import ReadOptions, read

from .test_cli import DATA, real, streetbump

TABLES = ("truth.csv", "sites.csv", "crossings.csv", "inventory.geojson", "streets.geojson",
          "dataset.toml")  # fmt: skip
ORDER = ("--town", "small", "--trips", "5", "--seed", "21", "--minutes", "1.5", "-q")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five short trips through the small town."""
    out = tmp_path_factory.mktemp("simulate") / "town"
    done = streetbump("simulate", str(out), *ORDER, cwd=out.parent)
    assert done.returncode == 0, done.stderr
    return out


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_seed_gives_the_same_bytes(town: Path) -> None:
    """Every file of a second run is byte-equal; another seed gives other trips."""
    again, other = town.parent / "again", town.parent / "other"
    assert streetbump("simulate", str(again), *ORDER, cwd=town.parent).returncode == 0
    assert digests(again) == digests(town)
    seed = ["22" if word == "21" else word for word in ORDER]
    assert streetbump("simulate", str(other), *seed, cwd=town.parent).returncode == 0
    assert not set(digests(other).values()) & set(digests(town).values())


def test_one_process_gives_the_same_bytes_as_two(town: Path) -> None:
    """The number of processes shows in no file."""
    from streetbump.commands.simulate import Order, simulate
    from streetbump.executors import Serial

    alone = town.parent / "alone"
    order = Order("small", trips=5, seed=21, minutes=1.5)
    simulate(alone, order, executor=Serial(), on_trip=lambda _n: None)
    assert digests(alone) == digests(town)


def test_the_tables_are_what_the_scoreboard_reads(town: Path) -> None:
    """Truth, sites, crossings and description parse, and speak of the same trips and sites."""
    assert {p.name for p in town.iterdir()} == {*TABLES, "trips"}
    texts = {name: (town / name).read_text("utf-8") for name in TABLES}
    truth = parse_truth(texts["truth.csv"], where="truth")
    sites = parse_sites(texts["sites.csv"], where="sites")
    met = parse_crossings(texts["crossings.csv"], where="crossings")
    parse_description(texts["dataset.toml"], where="dataset")
    trips = {p.stem for p in (town / "trips").iterdir()}
    assert len(trips) == 5
    events = truth[truth["kind"] == "event"]
    assert set(met["trip_id"]) <= trips
    assert set(events["trip_id"]) <= trips
    assert set(truth.loc[truth["kind"] == "site", "note"]) == set(sites["site_id"])
    assert len(events) == int(met["felt"].sum())
    assert set(met["site_id"]) <= set(sites["site_id"])
    passes = met.groupby("site_id")["trip_id"].size()
    listed = sites.set_index("site_id")["passes"]
    assert (listed[passes.index] == passes).all()
    assert json.loads(texts["inventory.geojson"])["features"]


def test_every_trip_is_marked_as_synthetic(town: Path) -> None:
    """No simulated trip can be taken for a real one."""
    for path in (town / "trips").iterdir():
        (trip,) = read(
            path.read_bytes(), name=path.name, options=ReadOptions(), pseudonym=str.upper
        )
        assert isinstance(trip, Trip)
        assert trip.synthetic


@pytest.mark.parametrize("logger", sorted(WRITERS))
def test_every_logger_can_be_asked_for(tmp_path: Path, logger: str) -> None:
    """``--as`` writes files of each logger, with its ending and something in them."""
    words = ("--town", "small", "--trips", "1", "--seed", "3", "--minutes", "0.5", "-q")
    done = streetbump("simulate", "out", *words, "--as", logger, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "out" / "trips").iterdir()
    assert file.suffix == f".{ENDING[logger]}"
    assert file.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--town", "nowhere", "--trips", "1", "--seed", "1"), "neither a town"),
        (("--town", "small", "--trips", "1", "--seed", "1", "--as", "fax"), "known are plain-csv"),
        (("--town", "small", "--trips", "1", "--seed", "1", "--attack", "nag"), "known are cart"),
        (("--town", "small", "--trips", "0", "--seed", "1"), "0 is not in the range"),
        (("--town", "bad.geojson", "--trips", "1", "--seed", "1"), "not a GeoJSON"),
    ],
)
def test_a_wrong_order_is_said_and_makes_nothing(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    """One line says what is wrong; no folder is left behind."""
    (tmp_path / "bad.geojson").write_text("{}")
    done = streetbump("simulate", "out", *words, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert says in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_dishonest_phones_upload_beside_the_honest_ones(town: Path) -> None:
    """An attack adds uploads of its own and changes no honest trip and no truth."""
    out = town.parent / "attacked"
    words = (*ORDER, "--attack", "replay", "--attackers", "4")
    assert streetbump("simulate", str(out), *words, cwd=town.parent).returncode == 0
    honest, attacked = digests(town), digests(out)
    more = {name for name in attacked if name not in honest}
    assert len(more) >= 4
    assert all(Path(name).name.startswith("x") for name in more)
    assert {name: attacked[name] for name in honest} == honest


def test_a_folder_with_something_in_it_is_left_alone(town: Path) -> None:
    """Nothing is overwritten."""
    before = digests(town)
    done = streetbump("simulate", str(town), *ORDER, cwd=town.parent)
    assert done.returncode == 2
    assert b"there is something there" in done.stderr
    assert digests(town) == before


@real
def test_a_town_on_surveyed_centrelines(tmp_path: Path) -> None:
    """Cambridge's centrelines make a town; its trips lie in Cambridge."""
    lines = Path(str(DATA)) / "cambridge_open_data" / "TRANS_Centerlines.geojson"
    words = ("--trips", "2", "--seed", "4", "--minutes", "2", "-q")
    done = streetbump("simulate", "out", "--town", str(lines), *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    truth = pd.read_csv(tmp_path / "out" / "truth.csv")
    assert truth["lat"].between(42.33, 42.41).all()
    assert truth["lon"].between(-71.17, -71.06).all()
    assert (truth["kind"] == "site").sum() > 1000
