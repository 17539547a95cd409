"""Public text: everything a crew needs, nothing that names a driver."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import fields

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
    }
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=FACTS, limit=st.sampled_from([250, 300, 1000]))
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
