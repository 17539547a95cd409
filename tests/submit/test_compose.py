"""Public text: everything a crew needs, nothing that names a driver."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streetbump.cityprofile import CityProfile, Contact, ServiceCode
from streetbump.errors import CityError
from streetbump.model import JoltClass, ServiceRequest
from streetbump.submit.compose import at_least, compose, direction_words, marker, severity_word
from streetbump.submit.plan import PlaceFacts

Make = Callable[..., CityProfile]
Place = Callable[..., PlaceFacts]
For = Callable[..., ServiceRequest]


def test_text_says_what_where_and_when(request_for: For, city: Make) -> None:
    """The golden text: class, severity, direction and reference first, then the evidence."""
    profile = city(contact=Contact(email="streets@example.org"))
    assert request_for(profile).description == (
        "Pothole, severity MEDIUM, northbound and southbound. Ref SB-H9EJWE7FGY.\n"
        "Detected automatically by at least 3 vehicles, 2026-02-01 to 2026-02-09.\n"
        "Jolt of a passenger car at 40 km/h: 6.0 m/s². Felt on about 70 % of at least 10 passes.\n"
        "Position ±3 m: 42.360000, -71.050000.\n"
        "Contact streets@example.org"
    )


def test_text_in_us_units(request_for: For, city: Make) -> None:
    """A city in the United States reads feet, miles and g."""
    text = request_for(city(units="us")).description
    assert "±9 ft" in text
    assert "25 mph: 0.6 g" in text
    assert "m/s²" not in text


def test_simulated_place_says_so(request_for: For, city: Make) -> None:
    """A practice request says in its first words that it is one."""
    request = request_for(city(), synthetic=True)
    assert request.synthetic
    assert request.description.startswith("PRACTICE, NOT REAL: ")


def test_fields_in_sending_order(request_for: For, city: Make) -> None:
    """The arguments: jurisdiction, code, plain decimals, text, attributes, fixed fields."""
    service = ServiceCode(code="171", name="Pothole", attributes={"A": "1", "M": ["x", "y"]})
    profile = city(
        services={JoltClass.POTHOLE: service}, jurisdiction_id="a.example",
        fields={"email": "streets@example.org"},
    )  # fmt: skip
    request = request_for(profile, lat_deg=1e-7, lon_deg=-0.00001)
    assert request.fields == (
        ("jurisdiction_id", "a.example"),
        ("service_code", "171"),
        ("lat", "0.000000"),
        ("long", "-0.000010"),
        ("description", request.description),
        ("attribute[A]", "1"),
        ("attribute[M][]", "x"),
        ("attribute[M][]", "y"),
        ("email", "streets@example.org"),
    )


def test_fields_follow_the_dialect(request_for: For, city: Make) -> None:
    """Repeated attributes, decimals, our reference as a key, answers by severity, a street."""
    answers = {"M": ["x", "y"], "DEPTH": {"LOW": "a", "MEDIUM": "b", "HIGH": "c"}, "ID": "{ref}"}
    profile = city(
        services={JoltClass.POTHOLE: ServiceCode(code="{7}", name="P", attributes=answers)},
        multivalue="repeated", decimals=5, idempotency_field="client_request_id",
        jurisdiction_id="a.example", jurisdiction_in="query",
        fields={"first_name": "Road", "summary": "Jolt at {address}"},
    )  # fmt: skip
    request = request_for(profile, street="Main St", cross_street="Oak St")
    assert request.fields == (
        ("service_code", "{7}"),
        ("lat", "42.36000"),
        ("long", "-71.05000"),
        ("address_string", "Main St & Oak St"),
        ("description", request.description),
        ("client_request_id", "SB-H9EJWE7FGY"),
        ("attribute[M]", "x"),
        ("attribute[M]", "y"),
        ("attribute[DEPTH]", "b"),
        ("attribute[ID]", "SB-H9EJWE7FGY"),
        ("first_name", "Road"),
        ("summary", "Jolt at Main St & Oak St"),
    )


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"language": "de"}, "Schlagloch, Schwere MITTEL, Fahrtrichtung Norden und Fahrtrichtung "
                             "Süden, Main St nahe Oak St. Zeichen SB-H9EJWE7FGY."),
        ({"language": "es"}, "Bache, gravedad MEDIA, sentido norte y sentido sur, "
                             "en Main St cerca de Oak St. Ref. SB-H9EJWE7FGY."),
        ({"words": {"pothole": "Chuckhole"}}, "Chuckhole, severity MEDIUM, northbound and "
                                              "southbound, on Main St near Oak St. Ref "
                                              "SB-H9EJWE7FGY."),
    ],
)  # fmt: skip
def test_languages_and_own_words(
    request_for: For, city: Make, changes: dict[str, Any], first: str
) -> None:
    """A city reads its own language, or its own words for things; the reference stays the same."""
    text = request_for(city(**changes), street="Main St", cross_street="Oak St").description
    assert text.splitlines()[0] == first


def test_long_first_line_gives_up_direction_and_street_before_the_reference(
    request_for: For, city: Make
) -> None:
    """What does not fit is left out by what a crew can spare; the reference always fits."""
    ways = tuple(45.0 * i for i in range(8))
    request = request_for(
        city(description_max=250), headings_deg=ways, street="S" * 60, cross_street="T" * 60
    )
    first = request.description.splitlines()[0]
    assert "bound" not in first
    assert "T" * 60 in first
    assert first.endswith("Ref SB-H9EJWE7FGY.")


def test_empty_arguments_are_left_out(request_for: For, city: Make) -> None:
    """An empty argument is not sent: servers differ about what it means."""
    assert [name for name, _ in request_for(city()).fields] == [
        "service_code", "lat", "long", "description",
    ]  # fmt: skip


def test_marker_is_of_place_and_episode() -> None:
    """A reference is stable, well-formed, and different for each place and episode."""
    made = {marker(f"p{i}", e) for i in range(200) for e in (1, 2)}
    assert len(made) == 400
    assert all(re.fullmatch("SB-[0-9A-HJKMNP-TV-Z]{10}", m) for m in made)
    assert marker("p1", 11) != marker("p11", 1)


def test_nothing_is_composed_without_a_place(place: Place, city: Make) -> None:
    """A class the city does not take, or no position, is an error and not a request."""
    for facts in (place(jolt_class=JoltClass.CASTING), place(lat_deg=math.nan)):
        with pytest.raises(CityError):
            compose(facts, city(), marker="SB-0")


@pytest.mark.parametrize(
    ("headings", "words"),
    [
        ((), ""),
        ((math.nan,), ""),
        ((0.0, 359.0, 22.4), "northbound"),
        ((22.6,), "north-eastbound"),
        ((270.0, 90.0), "eastbound and westbound"),
    ],
)
def test_directions(headings: tuple[float, ...], words: str) -> None:
    """Headings become words, each once; unknown ones none."""
    assert direction_words(headings) == words


def test_severity_words() -> None:
    """Two cuts make three words; an unknown severity none."""
    words = [severity_word(s, cuts_ms2=(4.0, 8.0)) for s in (3.9, 4.0, 7.9, 8.0, math.nan)]
    assert words == ["LOW", "MEDIUM", "MEDIUM", "HIGH", ""]


@given(st.integers(0, 10**6))
def test_counts_never_overstate(count: int) -> None:
    """A public count is at most the true one, and coarse."""
    assert at_least(count) <= count
    assert (at_least(count) == 0) == (count == 0)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
FACTS = st.fixed_dictionaries(
    {
        "headings_deg": st.lists(NUMBERS, max_size=9).map(tuple),
        "severity": NUMBERS,
        "hit_rate": st.floats(0, 1) | st.just(math.nan),
        "passes": st.integers(0, 10**6),
        "n_devices": st.integers(0, 10**5),
        "pos_err_m": st.floats(0, 1e6) | st.just(math.nan),
        "first_day": st.sampled_from(["", "2026-02-01"]),
        "last_day": st.sampled_from(["", "2026-02-01", "2026-02-09"]),
        "synthetic": st.booleans(),
        "jolt_class": st.just(JoltClass.POTHOLE),
        "street": st.sampled_from(["", "Main St", "S" * 60]),
        "cross_street": st.sampled_from(["", "Oak St", "\x1b[31m\ud800"]),
    }
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=FACTS, limit=st.sampled_from([100, 250, 300, 1000]))
def test_text_is_public_and_keeps_its_reference(
    place: Place, city: Make, changes: dict[str, object], limit: int
) -> None:
    """Whatever the facts: within the limit, with the reference, and without a clock time."""
    facts = place(**changes)
    reference = marker(facts.place_id, facts.episode)
    text = compose(facts, city(description_max=limit), marker=reference).description
    assert len(text) <= limit
    assert f"Ref {reference}" in text.splitlines()[0]
    assert not re.search(r"\d\d:\d\d|nan|inf\b", text)
    assert text == text.encode("utf-8").decode()
    assert all(c.isprintable() for c in text.replace("\n", ""))


def test_facts_cannot_name_a_driver() -> None:
    """What composing is given has no field for a trip, a device or a time of day."""
    names = {f.name for f in fields(PlaceFacts)}
    assert not {n for n in names if re.search("trip|device_|driver|utc|time", n)}


SECRETS = {"place_id": "p-CANARY", "priority": 7654.321, "class_p": 0.87654321, "hits": 7613,
           "passes": 8123, "n_devices": 4177, "n_days": 613}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_nothing_sent_identifies_a_driver_or_trip(
    request_for: For, city: Make, language: str
) -> None:
    """No argument holds an exact count, a place id or a time of day: only days and steps."""
    service = ServiceCode(code="1", name="P", attributes={"A": "{first_day} {last_day} {severity}"})
    profile = city(services={JoltClass.POTHOLE: service}, language=language)
    request = request_for(profile, **SECRETS)
    sent = " ".join(f"{name} {value}" for name, value in request.fields)
    for exact in map(str, SECRETS.values()):
        assert exact not in sent
    assert not re.search(r"\d\d:\d\d", sent)
    assert {name for name, _ in request.fields} == {
        "service_code", "lat", "long", "description", "attribute[A]",
    }  # fmt: skip
