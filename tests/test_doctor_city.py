"""``doctor city``: reads alone, said line by line, and folders of profiles."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from streetbump import runtime
from streetbump.cli import main
from streetbump.errors import ConfigError
from tests.submit.dialects import DjangoLike, PhpLike

TEN_LINES = """
schema_version = 1
name = "%s"
title = "Town"
timezone = "UTC"
boundary = { kind = "radius", lat_deg = 42.0, lon_deg = -71.0, radius_m = 9000 }
channel = { kind = "georeport", endpoint = "%s", key_env = "TOWN_KEY" }
services.pothole = { code = "%s", name = "Pothole" }
limits = { min_interval_s = 0, deadline_s = 10 }
"""


def test_doctor_says_what_deviates_and_what_would_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong address and code: both are found, and the lines to paste stand at the end."""
    monkeypatch.setenv("TOWN_KEY", "s3cret-key")
    city, path = DjangoLike(), tmp_path / "town.toml"
    with city.running() as url:
        path.write_text(TEN_LINES % ("town", url, "77"))
        told = CliRunner().invoke(main, ["doctor", "city", str(path)])
        rows = CliRunner().invoke(main, ["doctor", "--city", str(path), "--format", "jsonl"])
    assert told.exit_code == 1
    assert "fails    service of pothole: code '77' is not in the list" in told.output
    assert told.output.endswith(
        "to mend:\n\n[dialect]\npath_suffix = false\ntrailing_slash = true\n\n"
        '[services.pothole]\ncode = "7"\nname = "Pothole"\n'
    )
    assert "s3cret" not in told.output + rows.output
    assert "would post description" in told.output
    assert [c.method for c in city.heard if c.method != "GET"] == []
    asked = {json.loads(line)["asked"] for line in rows.output.splitlines()}
    assert {"key", "service list", "list", "filter status", "one request"} <= asked


def test_doctor_without_the_key_still_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is not there is a finding: most reads need none."""
    monkeypatch.delenv("TOWN_KEY", raising=False)
    city, path = PhpLike(), tmp_path / "town.toml"
    with city.running() as url:
        path.write_text(TEN_LINES % ("town", url, "7"))
        told = CliRunner().invoke(main, ["doctor", "city", str(path)])
    assert told.exit_code == 1
    assert "fails    key: environment variable TOWN_KEY" in told.output
    assert "deviates filter status: ignored" in told.output
    assert "filters = { service_code" in told.output


def test_doctor_of_a_city_that_is_not_there(tmp_path: Path) -> None:
    """A closed port is one failure, not a row of them."""
    path = tmp_path / "town.toml"
    path.write_text((TEN_LINES % ("town", "http://127.0.0.1:9/", "7")).replace(
        ', key_env = "TOWN_KEY"', ""))  # fmt: skip
    told = CliRunner().invoke(main, ["doctor", "city", str(path)])
    assert told.exit_code == 1
    assert told.output.count("fails") == 1
    assert "not_connected" in told.output


def test_folder_of_profiles_is_one_argument(tmp_path: Path) -> None:
    """Many towns behind one endpoint: a folder of profiles, which share the pace of the host."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.toml").write_text(
            (TEN_LINES % (name, "http://127.0.0.1:9/", "7")).replace(', key_env = "TOWN_KEY"', "")
        )
    with ExitStack() as stack:
        desks = runtime.open_desks([str(tmp_path), "sandbox"], environ={}, stack=stack)
        assert [d.city.name for d in desks] == ["a", "b", "sandbox"]
        paces = [d.connect()._pace for d in desks]  # type: ignore[attr-defined]
        assert paces[0] is paces[1] is not paces[2]
        (tmp_path / "c.toml").write_text((tmp_path / "a.toml").read_text())
        with pytest.raises(ConfigError, match="two profiles have the name a"):
            runtime.open_desks([str(tmp_path)], environ={}, stack=stack)
    (tmp_path / "none").mkdir()
    with ExitStack() as stack, pytest.raises(ConfigError, match="no profile"):
        runtime.open_desks([str(tmp_path / "none")], environ={}, stack=stack)


SQUARE = '{"type":"Polygon","coordinates":[[[-71.1,41.9],[-70.9,41.9],[-70.9,42.1],[-71.1,41.9]]]}'
STREET = ('{"type":"Feature","properties":{"label":"Main St"},"geometry":{"type":"LineString",'
          '"coordinates":[[-71,42],[-70.9,42]]}}')  # fmt: skip


def test_files_of_a_profile_are_read_beside_it(tmp_path: Path) -> None:
    """Boundary, other owners and streets lie beside the profile; a missing one is named."""
    text = TEN_LINES % ("town", "http://127.0.0.1:9/", "7")
    text = text.replace('{ kind = "radius", lat_deg = 42.0, lon_deg = -71.0, radius_m = 9000 }',
                        '{ kind = "file", path = "area.geojson" }')  # fmt: skip
    text += 'streets = { path = "streets.geojson", name_field = "label" }\n'
    text += '[[except]]\npath = "state.geojson"\nowner = "the State"\n'
    (tmp_path / "town.toml").write_text(text)
    (tmp_path / "area.geojson").write_text(SQUARE)
    (tmp_path / "streets.geojson").write_text(STREET)
    with pytest.raises(ConfigError, match=r"state\.geojson: No such file"):
        runtime.load_city(str(tmp_path / "town.toml"))
    (tmp_path / "state.geojson").write_text(STREET)
    city, folder = runtime.load_city(str(tmp_path / "town.toml"))
    assert folder == tmp_path
    assert [other.owner for other in city.others] == ["the State"]
    assert city.streets is not None
    assert city.streets.words(42.0, -70.95, within_m=20) == ("Main St", "")
