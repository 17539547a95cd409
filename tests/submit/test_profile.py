"""City profiles: what is wrong is named, and nothing wrong gets through."""

from __future__ import annotations

import re
import string
from pathlib import Path

import msgspec
import pytest

from streetbump import cityprofile
from streetbump.cityprofile import (
    CityProfile,
    GeoReportChannel,
    language,
    parse_city,
    shipped_cities,
    shipped_city,
)
from streetbump.errors import ConfigError

GOOD = """
schema_version = 1
name = "springfield"
title = "Springfield"
timezone = "America/New_York"
units = "us"
[boundary]
kind = "radius"
lat_deg = 42.1
lon_deg = -72.6
radius_m = 9000
[channel]
kind = "georeport"
endpoint = "https://311.springfield.example/open311/v2/"
jurisdiction_id = "springfield.example"
key_env = "SPRINGFIELD_KEY"
[services.pothole]
code = "171"
name = "Pothole"
attributes = { WHERE = "TRAFFIC", KIND = ["a", "b"] }
[contact]
email = "streets@example.org"
"""


def test_good_profile_is_read() -> None:
    """A profile with a few keys is complete; the rest has defaults."""
    profile = parse_city(GOOD, where="s.toml")
    assert profile.service_for("pothole").name == "Pothole"  # type: ignore[union-attr]
    assert profile.service_for("casting") is None
    assert not profile.live
    assert not profile.loopback


def test_practice_city_is_on_this_machine() -> None:
    """The shipped practice city listens on loopback and is live."""
    profile = shipped_city("sandbox")
    assert profile.loopback
    assert profile.live
    assert profile.title == "The practice city"


def test_unknown_shipped_city() -> None:
    """A name that is not shipped is refused with the names that are."""
    with pytest.raises(ConfigError, match="sandbox"):
        shipped_city("../settings-1")


def with_endpoint(endpoint: str) -> str:
    return GOOD.replace("https://311.springfield.example/open311/v2/", endpoint)


def with_channel(line: str) -> str:
    return GOOD.replace("[services.pothole]", f"{line}\n[services.pothole]")


WRONG = [
    # text, what the message names
    (with_endpoint("http://311.springfield.example/"), "endpoint: must be https"),
    (with_endpoint("http://127.0.0.1.example.org/"), "endpoint: must be https"),
    (with_endpoint("http://localhost.example.org/"), "endpoint: must be https"),
    (with_endpoint("http://192.168.0.1/"), "endpoint: must be https"),
    (with_endpoint("ftp://311.springfield.example/"), "endpoint: must be an https"),
    (with_endpoint("https:///v2"), "endpoint: must be an https"),
    (with_endpoint("https://me:secret@a.example/"), "endpoint: no name or password"),
    (with_endpoint("https://127.0.0.1:x@a.example/"), "endpoint: no name or password"),
    (with_endpoint("https://a.example/?api_key=1"), "endpoint: nothing from [?]"),
    (with_endpoint("https://a.example/#x"), "endpoint: nothing from [?]"),
    (with_endpoint("https://a.example/requests.json"), "endpoint: what stands before"),
    (with_endpoint("https://a.example/ö"), "endpoint: plain ASCII"),
    (with_endpoint("https://a.example:99999/"), "[Pp]ort"),
    (with_endpoint(f"https://{'a' * 64}.example/"), "endpoint: not the name"),
    (GOOD.replace("America/New_York", "Springfield"), "timezone"),
    (GOOD.replace("America/New_York", "../../etc/passwd"), "timezone"),
    (GOOD.replace("America/New_York", ""), "timezone"),
    (GOOD.replace('"us"', '"imperial"'), "units"),
    (GOOD.replace("schema_version = 1", "schema_version = 2"), "schema_version"),
    (GOOD.replace("schema_version = 1", ""), "schema_version"),
    (GOOD.replace('name = "springfield"', 'name = "Spring Field"'), "name"),
    (GOOD.replace("radius_m = 9000", "radius_m = -1"), "radius_m"),
    (GOOD.replace("lat_deg = 42.1", "lat_deg = 142.1"), "lat_deg"),
    (GOOD.replace("lat_deg = 42.1", "lat_deg = nan"), "lat_deg"),
    (GOOD.replace('kind = "radius"', 'kind = "circle"'), "boundary"),
    (GOOD.replace("[services.pothole]", "[services.potholes]"), "services"),
    (GOOD.replace("[services.pothole]", "[services.unsure]"), "services: `unsure`"),
    (GOOD.replace('code = "171"', 'code = ""'), "code"),
    (GOOD.replace('code = "171"', "code = 171"), "code"),
    (GOOD.replace("streets@example.org", "nobody"), "email"),
    (GOOD + "\n[limits]\ndaily_budgets = 3\n", "daily_budgets"),
    (GOOD + "\n[limits]\ndescription_max = 20\n", "description_max"),
    (GOOD + "\n[limits]\nlookback_days = 365\n", "lookback_days"),
    ("severity_cuts_ms2 = [8.0, 4.0]\n" + GOOD, "severity_cuts_ms2"),
    (with_channel('key_file = "k"'), "key_env: give this or key_file"),
    (with_channel('key_place = "header"'), "key_header"),
    (with_channel('key_place = "header"\nkey_header = "a b"'), "key_header: not the name"),
    (with_channel('key_place = "header"\nkey_header = "Host"'), "key_header: Host"),
    (with_channel("key_on_reads = true"), "key_on_reads"),
    (with_channel('fields = { device_id = "x" }'), "device_id"),
    ("= nonsense", "not valid TOML"),
    (with_channel('key_place = "query"'), "channel.key_place: no key goes into a URL"),
    (with_channel('headers = { "Authorization" = "Bearer x" }'), "headers: Authorization"),
    (with_channel('headers = { "Cookie" = "a=b" }'), "headers: Cookie"),
    (with_channel('fields = { api_key = "x" }'), "fields: api_key"),
    (with_channel('fields = { note = "{device}" }'), "fields: note: there is no {device}"),
    (GOOD + "[dialect]\naliases = { nid = 'number' }\n", "dialect.aliases: there is no number"),
    (GOOD + "[dialect]\nfilters = { q = 'q' }\n", "dialect.filters: there is no q"),
    (GOOD + "[dialect]\nfilters = { lat = 'lat' }\n", "lat and long go together"),
    (GOOD + "[dialect]\nstatus_words = { Fixed = 'closed' }\n", "status_words: Fixed"),
    (GOOD + "[dialect]\nstatus_words = { fixed = 'done' }\n", "status_words"),
    (GOOD + "[dialect]\nsuccess_statuses = [302]\n", "success_statuses"),
    (GOOD + "[dialect]\npage = 'page'\n", "limits.page_limit: needed"),
    (GOOD + "[[dialect.answers]]\nstatus = 200\nmeans = 'retry'\n", "text: a success that"),
    (GOOD + "[[dialect.answers]]\nstatus = 404\nmeans = 'none'\n", "text: an empty list"),
    (GOOD + "[[dialect.answers]]\nstatus = 200\nmeans = 'none'\n", "text: an empty list"),
    (
        GOOD + "[[dialect.answers]]\nstatus = 302\nmeans = 'none'\ntext = 'x'\n",
        "status: a redirect",
    ),
    (GOOD + "[words]\nref = 'x'\n", "words: ref: without {ref}"),
    (GOOD + "[words]\npothole = '{driver}'\n", "words: pothole: there is no {driver}"),
    (GOOD.replace('"TRAFFIC"', '{ LOW = "A" }'), "attributes: WHERE: by severity"),
    (GOOD.replace('"TRAFFIC"', '"{trip}"'), "attributes: WHERE: there is no {trip}"),
]


@pytest.mark.parametrize(("text", "named"), WRONG, ids=[w[1] for w in WRONG])
def test_wrong_profile_is_refused_with_its_key(text: str, named: str) -> None:
    """What is wrong is refused, and the message names the file and the key."""
    assert text != GOOD
    with pytest.raises(ConfigError, match=named) as caught:
        parse_city(text, where="my.toml")
    assert str(caught.value).startswith("my.toml: ")


@pytest.mark.parametrize("host", ["127.0.0.1:8311", "127.8.8.8", "[::1]:80", "localhost"])
def test_plain_http_on_this_machine(host: str) -> None:
    """Plain http is allowed to this machine, and marks the city as a practice one."""
    assert parse_city(with_endpoint(f"http://{host}/"), where="x").loopback


def test_box_and_file_channel() -> None:
    """A box and a work list are the other kinds."""
    box = 'kind = "bbox"\nwest = -73\nsouth = 42\neast = -72\nnorth = 43\n'
    text = GOOD[: GOOD.index('kind = "radius"')] + box + '[channel]\nkind = "file"\n'
    text += 'path = "list.csv"\n' + GOOD[GOOD.index("[services.pothole]") :]
    profile = parse_city(text, where="x")
    assert isinstance(profile, CityProfile)
    assert not isinstance(profile.channel, GeoReportChannel)
    assert not profile.loopback
    with pytest.raises(ConfigError, match="south"):
        parse_city(text.replace("north = 43", "north = 41"), where="x")


def test_every_fault_is_named_with_its_path() -> None:
    """One reading of a bad profile names all that is wrong with it, each with its path."""
    text = GOOD.replace("America/New_York", "Springfield").replace('code = "171"', "code = 171")
    text = text.replace("radius_m = 9000", "radius = 9000") + "phone = 1\n"
    text = text.replace("https:", "http:").replace("units", "unit") + "[limits]\ndeadline_s = -1\n"
    with pytest.raises(ConfigError) as caught:
        parse_city(text, where="my.toml")
    paths = [line.strip().partition(": ")[0] for line in str(caught.value).splitlines()[1:]]
    assert sorted(paths) == sorted([
        "unit", "timezone", "boundary.radius", "boundary.radius_m", "channel.endpoint",
        "services.pothole.code", "contact.phone", "limits.deadline_s",
    ])  # fmt: skip
    assert "did you mean units?" in str(caught.value)
    assert "did you mean radius_m?" in str(caught.value)


@pytest.mark.parametrize("name", shipped_cities())
def test_shipped_profiles_are_sound(name: str) -> None:
    """Every shipped profile is read without a fault; only the practice city is live."""
    profile = shipped_city(name)
    assert profile.name == name
    assert profile.live == (name == "sandbox")


@pytest.mark.parametrize("name", ["en", "de", "es"])
def test_languages_say_the_same(name: str) -> None:
    """Every language has the same words with the same blanks to fill."""

    def blanks(text: str) -> set[str]:
        return {n for _, n, _, _ in string.Formatter().parse(text) if n}

    words, english = language(name), language("en")
    assert {k: blanks(v) for k, v in words.items()} == {k: blanks(v) for k, v in english.items()}
    assert all(v.isprintable() for v in words.values())


TABLES = {
    "The profile itself": [cityprofile.CityProfile],
    "`[boundary]`": [cityprofile.BBox, cityprofile.Radius, cityprofile.BoundaryFile],
    "`[[except]]`": [cityprofile.OtherOwner],
    "`[streets]`": [cityprofile.Streets],
    "`[channel]`": [cityprofile.GeoReportChannel, cityprofile.FileChannel],
    "`[services.CLASS]`": [cityprofile.ServiceCode],
    "`[dialect]`": [cityprofile.Dialect],
    "`[[dialect.answers]]`": [cityprofile.Answer],
    "`[limits]`": [cityprofile.Limits],
    "`[contact]`": [cityprofile.Contact],
}


def test_every_key_stands_in_the_documentation_and_no_other() -> None:
    """docs/cities.md has a table for each table of a profile, with exactly its keys."""
    page = (Path(__file__).parents[2] / "docs" / "cities.md").read_text("utf-8")
    sections = dict(re.findall(r"^### (.+)\n([^#]*)", page, flags=re.MULTILINE))
    for title, kinds in TABLES.items():
        cells = re.findall(r"^\| (`.+?) \|", sections[title], flags=re.MULTILINE)
        told = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
        keys = {f.encode_name for kind in kinds for f in msgspec.structs.fields(kind)}
        tags = {kind.__struct_config__.tag_field for kind in kinds} - {None}
        assert told == keys | tags, title


def test_documented_example_is_a_profile() -> None:
    """The first profile of docs/cities.md is read as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "cities.md").read_text("utf-8")
    text = page.split("```toml\n")[1].split("```")[0]
    assert parse_city(text, where="cities.md").service_for("pothole") is not None
