"""What `doctor trip` can say of a file: nothing that a reader takes for granted goes unsaid."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from streetbump.commands.inputs import trip_files
from streetbump.model import Rejected
from streetbump.trips import ReadOptions, explained, read
from streetbump.trips.bundle import packed
from streetbump.trips.notes import TOPICS, by_topic
from streetbump.trips.sniff import BUNDLES, FILES, READERS

from .kit import FORMATS, members_of, plain_csv

EXPORTS = sorted(path.name for path in FORMATS.iterdir())


def bytes_of(name: str) -> bytes:
    """A file typed by hand; of a folder, a zip."""
    path = FORMATS / name
    return packed(members_of(name)) if path.is_dir() else path.read_bytes()


def notes_of(data: bytes, **options: object) -> dict[str, str]:
    """The notes of the only trip or refusal."""
    how = ReadOptions(**options)  # type: ignore[arg-type]
    ((_, notes),) = explained(data, name="a", options=how)
    return by_topic(notes)


@pytest.mark.parametrize("name", EXPORTS)
def test_every_format_says_reader_clock_sign_unit_and_evidence(name: str) -> None:
    """Whatever the logger, whoever asks learns how the numbers were understood."""
    said = notes_of(bytes_of(name))
    wanted = {"reader", "told_by", "clock", "unit"}
    if name != "track.gpx":  # positions alone feel nothing
        wanted |= {"sign", "rows", "median_a", "steps", "clock_offset"}
    assert wanted <= said.keys()
    assert all(said.values())


@pytest.mark.parametrize("name", EXPORTS)
def test_asking_changes_no_answer(name: str) -> None:
    """Explained or not, the trips are the same."""
    data = bytes_of(name)
    plain = read(data, name="a", options=ReadOptions(), pseudonym=lambda _: "named")
    asked = tuple(row for row, _ in explained(data, name="a", options=ReadOptions()))
    assert [repr(row) for row in asked] == [repr(row) for row in plain]


def test_positions_are_counted_by_what_became_of_them() -> None:
    """Kept, repeated, at 0, 0, off the Earth: each has its number."""
    rows = ["1,0,0,9.8,12,3", "2,0,0,9.9,12,3", "3,0,0,9.7,0,0", "4,0,0,9.8,91,3", "5,0,0,9.8,13,3"]
    said = notes_of(("t,ax,ay,az,lat,lon\n" + "\n".join(rows)).encode())
    assert said["positions"] == (
        "5 stated: 2 fixes, 1 as the one before, 1 at 0, 0 and so none, 1 off the Earth"
    )


def test_a_gap_and_the_offset_of_the_clocks_are_told() -> None:
    """Evidence is there even where nothing had to be repaired."""
    first, second = plain_csv(seconds=60), plain_csv(seconds=60, t0=1_700_000_075.0)
    said = notes_of((first + second.split("\n", 1)[1]).encode())
    assert said["steps"].endswith("; 1, the longest 15.1 s over 1 s")
    assert "cannot be told" in said["clock_offset"]


def test_a_refusal_says_which_reader_refused_and_what_it_had_seen() -> None:
    """The header was understood; the numbers were not."""
    ((row, notes),) = explained(
        b"t;ax;ay;az\n1;1;1;99\n2;1;2;99\n3;1;3;99\n", name="a", options=ReadOptions()
    )
    said = by_topic(notes)
    assert isinstance(row, Rejected)
    assert said["reader"] == "plain-csv"
    assert "separator ';'" in said["table"]
    assert said["median_a"].startswith("|a| has the median 99.0")


def test_a_separate_position_file_is_told_apart() -> None:
    """What is said of the file given with --gps says so."""
    said = notes_of(bytes_of("phyphox"), gps=bytes_of("track.gpx"))
    assert "--gps, reader: gpx" in said["positions"]


@pytest.mark.parametrize("kept", ["meta", "Location.csv"])
def test_a_folder_is_one_recording_with_its_meta_or_its_positions(
    tmp_path: Path, kept: str
) -> None:
    """As unpacked, a phyphox export is one trip, also when its `meta` was lost."""
    for name, data in members_of("phyphox").items():
        if name == "Accelerometer.csv" or name.startswith(kept):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
    assert trip_files([str(tmp_path)]) == [tmp_path]


def test_every_reader_states_what_tells_it_and_only_known_topics() -> None:
    """A reader without these words would leave `doctor trip` silent."""
    for module in {*FILES.values(), *BUNDLES.values(), *READERS.values()}:
        reader = import_module(module)
        assert reader.TOLD_BY
        assert {topic for topic, _ in reader.TAKEN} <= set(TOPICS)


def test_the_page_on_formats_names_every_topic() -> None:
    """docs/formats.md says what each line of `doctor trip` means."""
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
    assert [topic for topic in TOPICS if f"`{topic}`" not in page] == []
