"""What a city is told about a place: public text, and the reference by which we find it again.

The text holds days, never clock times, and counts in steps, never exact; it cannot hold a trip or
a device because :class:`streetbump.submit.plan.PlaceFacts` has none.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from streetbump.cityprofile import CityProfile, GeoReportChannel, ServiceCode, language
from streetbump.errors import CityError
from streetbump.model import STANDARD_GRAVITY_MS2, ServiceRequest
from streetbump.submit.plan import PlaceFacts

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read as a digit (crockford.com/base32.html)."""
_MARKER_CHARS = 10

_BOUND = ("north", "north_east", "east", "south_east", "south", "south_west", "west", "north_west")

_STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Counts are told as "at least" one of these, so that no exact count is public."""

_FOOT_M = 0.3048


def marker(place_id: str, episode: int) -> str:
    """The reference of one place and episode: ``SB-`` and 10 characters, always the same.

    Place ids are random, so the reference tells nothing about the place.

    >>> marker("p1", 1)
    'SB-Y5RBZJSY7K'
    """
    digest = hashlib.sha256(f"streetbump marker 1\0{place_id}\0{episode}".encode()).digest()
    number = int.from_bytes(digest, "big") >> (256 - 5 * _MARKER_CHARS)
    chars = [_CROCKFORD[number >> (5 * i) & 31] for i in reversed(range(_MARKER_CHARS))]
    return "SB-" + "".join(chars)


def compose(facts: PlaceFacts, profile: CityProfile, *, marker: str) -> ServiceRequest:
    """The request that would be sent to `profile` for a place.

    Raises
    ------
    CityError
        The city takes no such class, or the position is not finite: nothing to be composed.

    >>> from streetbump.cityprofile import shipped_city
    >>> from streetbump.model import JoltClass, PlaceState
    >>> facts = PlaceFacts(
    ...     place_id="p1", episode=1, state=PlaceState.FLAGGED, lat_deg=42.36, lon_deg=-71.05,
    ...     pos_err_m=2.5, headings_deg=(2.0,), jolt_class=JoltClass.POTHOLE, class_p=0.9,
    ...     severity=6.0, hit_rate=0.7, hits=12, passes=18,
    ...     n_devices=4, n_days=3, first_day="2026-02-01", last_day="2026-02-09", priority=4.0,
    ...     synthetic=False,
    ... )
    >>> request = compose(facts, shipped_city("sandbox"), marker="SB-Y5RBZJSY7K")
    >>> print(request.description.splitlines()[0])
    Pothole, severity MEDIUM, northbound. Ref SB-Y5RBZJSY7K.
    """
    service = profile.service_for(facts.jolt_class)
    if service is None:
        raise CityError(f"{profile.name} takes no reports of class {facts.jolt_class.value}")
    if not (math.isfinite(facts.lat_deg) and math.isfinite(facts.lon_deg)):
        raise CityError(f"place {facts.place_id} has no position")
    description = _describe(facts, profile, marker=marker)
    return ServiceRequest(
        place_id=facts.place_id,
        episode=facts.episode,
        city=profile.name,
        marker=marker,
        service_code=service.code,
        lat_deg=facts.lat_deg,
        lon_deg=facts.lon_deg,
        description=description,
        fields=_fields(facts, profile, service, marker=marker, description=description),
        synthetic=facts.synthetic,
    )


def _fields(
    facts: PlaceFacts, profile: CityProfile, service: ServiceCode, *, marker: str, description: str
) -> tuple[tuple[str, str], ...]:
    """The arguments in sending order, as the city's dialect has them."""
    channel, dialect = profile.channel, profile.dialect
    georeport = channel if isinstance(channel, GeoReportChannel) else None
    in_form = georeport is not None and georeport.jurisdiction_in != "query"
    severity = severity_word(facts.severity, cuts_ms2=profile.severity_cuts_ms2) or "LOW"
    values = {
        "ref": marker,
        "lat": format(facts.lat_deg, f".{dialect.decimals}f"),
        "long": format(facts.lon_deg, f".{dialect.decimals}f"),
        "address": address(facts),
        "severity": severity,  # one that is unknown is not overstated
        "first_day": facts.first_day,
        "last_day": facts.last_day,
    }
    fixed = georeport.fields.items() if georeport else ()
    fields = [
        ("jurisdiction_id", georeport.jurisdiction_id if georeport and in_form else ""),
        ("service_code", service.code),
        ("lat", values["lat"]),
        ("long", values["long"]),
        (dialect.address_field, values["address"]),
        ("description", description),
        (dialect.idempotency_field, marker),
    ]
    own = [*_attributes(service, severity, many=dialect.multivalue), *fixed]
    fields += [(name, value.format_map(values)) for name, value in own]
    # An empty argument should mean an absent one; real servers differ.
    return tuple((name, _plain(value)) for name, value in fields if name and value)


def _attributes(service: ServiceCode, severity: str, *, many: str) -> list[tuple[str, str]]:
    pairs = []
    for code, answer in service.attributes.items():
        value = answer[severity] if isinstance(answer, dict) else answer  # type: ignore[index]
        value = ",".join(value) if isinstance(value, list) and many == "comma" else value
        brackets = "[]" if isinstance(value, list) and many == "brackets" else ""
        name = f"attribute[{code}]{brackets}"
        pairs += [(name, v) for v in ([value] if isinstance(value, str) else value)]
    return pairs


def address(facts: PlaceFacts) -> str:
    """The place as an address: the street and its cross street; empty when unknown."""
    return " & ".join(name for name in (facts.street, facts.cross_street) if name)


def _words(profile: CityProfile) -> dict[str, str]:
    return {**language(profile.language), **profile.words}


def _describe(facts: PlaceFacts, profile: CityProfile, *, marker: str) -> str:
    """The text of a request. Its first line carries all that a crew and we ourselves need.

    What is too long for the city is cut from the end, on a character border; the reference stands
    in the first line and stays.
    """
    words = _words(profile)
    email = profile.contact.email
    lines = [
        _headline(facts, profile, marker, words),
        words["earlier"].format(request=facts.earlier_id) if facts.earlier_id else "",
        _provenance(facts, words),
        _strength(facts, profile, words),
        _position(facts, profile, words),
        words["contact"].format(email=email) if email else "",
    ]
    text = "\n".join(line for line in lines if line)
    return _plain(text)[: profile.limits.description_max].rstrip()


def _headline(facts: PlaceFacts, profile: CityProfile, marker: str, words: dict[str, str]) -> str:
    """What, how bad, which way, where, and the reference; shortened until the city takes it."""
    severity = severity_word(facts.severity, cuts_ms2=profile.severity_cuts_ms2)
    what = words.get(facts.jolt_class.value, words["defect"])
    bad = words["severity"].format(word=words[severity.lower()]) if severity else ""
    way, where = direction_words(facts.headings_deg, words), _where(facts, words)
    simulated = "PRACTICE, NOT REAL: " if facts.synthetic else ""
    end = f". {words['ref'].format(ref=marker)}"
    for parts in ([what, bad, way, where], [what, bad, where], [what, bad], [what]):
        line = f"{simulated}{', '.join(p for p in parts if p)}{end}"
        if len(line) <= profile.limits.description_max:
            return line
    return (simulated + what)[: profile.limits.description_max - len(end)] + end


def _where(facts: PlaceFacts, words: dict[str, str]) -> str:
    if not facts.street:
        return ""
    text = words["on_near"] if facts.cross_street else words["on"]
    return text.format(street=facts.street, cross=facts.cross_street)


def _provenance(facts: PlaceFacts, words: dict[str, str]) -> str:
    count = at_least(facts.n_devices)
    by = words["by_one" if count == 1 else "by_many"].format(count=count) if count else ""
    return words["detected"].format(by=by, when=_days(facts, words))


def _days(facts: PlaceFacts, words: dict[str, str]) -> str:
    if not (facts.first_day and facts.last_day):
        return ""
    if facts.first_day == facts.last_day:
        return words["day"].format(day=facts.first_day)
    return words["days"].format(first=facts.first_day, last=facts.last_day)


def _strength(facts: PlaceFacts, profile: CityProfile, words: dict[str, str]) -> str:
    parts = []
    if math.isfinite(facts.severity):
        in_us = profile.units == "us"
        value = facts.severity / STANDARD_GRAVITY_MS2 if in_us else facts.severity
        parts.append(words[f"jolt_{profile.units}"].format(value=f"{value:.1f}"))
    if math.isfinite(facts.hit_rate) and at_least(facts.passes):
        share = round(facts.hit_rate * 10) * 10
        parts.append(words["share"].format(share=share, count=at_least(facts.passes)))
    return " ".join(parts)


def _position(facts: PlaceFacts, profile: CityProfile, words: dict[str, str]) -> str:
    place = f"{facts.lat_deg:.6f}, {facts.lon_deg:.6f}"
    if not math.isfinite(facts.pos_err_m):
        return words["position"].format(place=place)
    error = facts.pos_err_m / (_FOOT_M if profile.units == "us" else 1.0)
    return words[f"position_{profile.units}"].format(error=math.ceil(error), place=place)


def severity_word(severity_ms2: float, *, cuts_ms2: tuple[float, float]) -> str:
    """LOW, MEDIUM or HIGH; empty when the severity is unknown.

    >>> severity_word(4.0, cuts_ms2=(4.0, 8.0))
    'MEDIUM'
    """
    if not math.isfinite(severity_ms2):
        return ""
    low, high = cuts_ms2
    return "LOW" if severity_ms2 < low else "MEDIUM" if severity_ms2 < high else "HIGH"


def direction_words(headings_deg: Sequence[float], words: dict[str, str] | None = None) -> str:
    """Directions of travel in words, each once; empty when none is known. In English by default.

    >>> direction_words([358.0, 181.0])
    'northbound and southbound'
    """
    said = language("en") if words is None else words
    known = [h for h in headings_deg if math.isfinite(h)]
    eighths = sorted({round(h % 360 / 45) % 8 for h in known})
    return said["and"].join(said[_BOUND[e]] for e in eighths)


def at_least(count: int) -> int:
    """The largest of the told counts that is not above `count`; 0 for none.

    >>> at_least(4), at_least(0)
    (3, 0)
    """
    return max((s for s in _STEPS if s <= count), default=0)


def _plain(text: str) -> str:
    """`text` without control characters and lone surrogates, which break a city's own readers."""
    sound = text.encode("utf-8", "ignore").decode("utf-8")
    return "".join(c for c in sound if c == "\n" or c.isprintable())
