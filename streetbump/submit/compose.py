"""What a city is told about a place: public text, and the reference by which we find it again.

The text holds days, never clock times, and counts in steps, never exact; it cannot hold a trip or
a device because :class:`streetbump.submit.plan.PlaceFacts` has none.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from streetbump.cityprofile import CityProfile, GeoReportChannel, ServiceCode
from streetbump.errors import CityError
from streetbump.model import STANDARD_GRAVITY_MS2, JoltClass, ServiceRequest
from streetbump.submit.plan import PlaceFacts

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read as a digit (crockford.com/base32.html)."""
_MARKER_CHARS = 10

_CLASS_WORDS = {
    JoltClass.POTHOLE: "Pothole",
    JoltClass.HUMP: "Speed hump",
    JoltClass.MARKER: "Raised road marker",
    JoltClass.CASTING: "Manhole or utility cover out of level",
    JoltClass.JOINT: "Rough bridge joint or rail crossing",
    JoltClass.ROUGH: "Rough road surface",
}

_BOUND = ("northbound", "north-eastbound", "eastbound", "south-eastbound",
          "southbound", "south-westbound", "westbound", "north-westbound")  # fmt: skip

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
    >>> from streetbump.model import PlaceState
    >>> facts = PlaceFacts(
    ...     place_id="p1", episode=1, state=PlaceState.FLAGGED, lat_deg=42.36, lon_deg=-71.05,
    ...     pos_err_m=2.5, headings_deg=(2.0,), jolt_class=JoltClass.POTHOLE, class_p=0.9,
    ...     severity=6.0, severity_lo=5.0, severity_hi=7.0, hit_rate=0.7, hits=12, passes=18,
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
        fields=_fields(facts, profile, service, description),
        synthetic=facts.synthetic,
    )


def _fields(
    facts: PlaceFacts, profile: CityProfile, service: ServiceCode, description: str
) -> tuple[tuple[str, str], ...]:
    channel = profile.channel
    georeport = channel if isinstance(channel, GeoReportChannel) else None
    fields = [
        ("jurisdiction_id", georeport.jurisdiction_id if georeport else ""),
        ("service_code", service.code),
        ("lat", format(facts.lat_deg, ".6f")),
        ("long", format(facts.lon_deg, ".6f")),
        ("description", description),
        *_attributes(service),
        *(georeport.fields.items() if georeport else ()),
    ]
    # An empty argument should mean an absent one; real servers differ.
    return tuple((str(name), value) for name, value in fields if value)


def _attributes(service: ServiceCode) -> list[tuple[str, str]]:
    pairs = []
    for code, value in service.attributes.items():
        many = isinstance(value, list)
        name = f"attribute[{code}][]" if many else f"attribute[{code}]"
        pairs += [(name, v) for v in ([value] if isinstance(value, str) else value)]
    return pairs


def _describe(facts: PlaceFacts, profile: CityProfile, *, marker: str) -> str:
    """The text of a request. Its first line carries all that a crew and we ourselves need.

    What is too long for the city is cut from the end, on a character border; the reference stands
    in the first line and stays.
    """
    lines = [
        _headline(facts, profile, marker),
        _provenance(facts),
        _strength(facts, profile),
        _position(facts, profile),
        f"Contact {profile.contact.email}" if profile.contact.email else "",
    ]
    text = "\n".join(line for line in lines if line)
    return _plain(text)[: profile.limits.description_max].rstrip()


def _headline(facts: PlaceFacts, profile: CityProfile, marker: str) -> str:
    severity = severity_word(facts.severity, cuts_ms2=profile.severity_cuts_ms2)
    parts = [
        _CLASS_WORDS.get(facts.jolt_class, "Road defect"),
        f"severity {severity}" if severity else "",
        direction_words(facts.headings_deg),
    ]
    simulated = "PRACTICE, NOT REAL: " if facts.synthetic else ""
    return f"{simulated}{', '.join(p for p in parts if p)}. Ref {marker}."


def _provenance(facts: PlaceFacts) -> str:
    vehicles = at_least(facts.n_devices)
    who = f" by at least {vehicles} vehicle{'s' if vehicles > 1 else ''}" if vehicles else ""
    return f"Detected automatically{who}{_days(facts)}."


def _days(facts: PlaceFacts) -> str:
    if not (facts.first_day and facts.last_day):
        return ""
    if facts.first_day == facts.last_day:
        return f", {facts.first_day}"
    return f", {facts.first_day} to {facts.last_day}"


def _strength(facts: PlaceFacts, profile: CityProfile) -> str:
    parts = []
    if math.isfinite(facts.severity):
        parts.append(_jolt(facts.severity, profile))
    if math.isfinite(facts.hit_rate) and at_least(facts.passes):
        share = round(facts.hit_rate * 10) * 10
        parts.append(f"Felt on about {share} % of at least {at_least(facts.passes)} passes.")
    return " ".join(parts)


def _jolt(severity_ms2: float, profile: CityProfile) -> str:
    if profile.units == "us":
        return f"Jolt of a passenger car at 25 mph: {severity_ms2 / STANDARD_GRAVITY_MS2:.1f} g."
    return f"Jolt of a passenger car at 40 km/h: {severity_ms2:.1f} m/s²."


def _position(facts: PlaceFacts, profile: CityProfile) -> str:
    place = f"{facts.lat_deg:.6f}, {facts.lon_deg:.6f}"
    if not math.isfinite(facts.pos_err_m):
        return f"Position: {place}."
    if profile.units == "us":
        return f"Position ±{math.ceil(facts.pos_err_m / _FOOT_M)} ft: {place}."
    return f"Position ±{math.ceil(facts.pos_err_m)} m: {place}."


def severity_word(severity_ms2: float, *, cuts_ms2: tuple[float, float]) -> str:
    """LOW, MEDIUM or HIGH; empty when the severity is unknown.

    >>> severity_word(4.0, cuts_ms2=(4.0, 8.0))
    'MEDIUM'
    """
    if not math.isfinite(severity_ms2):
        return ""
    low, high = cuts_ms2
    return "LOW" if severity_ms2 < low else "MEDIUM" if severity_ms2 < high else "HIGH"


def direction_words(headings_deg: Sequence[float]) -> str:
    """Directions of travel in words, each once; empty when none is known.

    >>> direction_words([358.0, 181.0])
    'northbound and southbound'
    """
    known = [h for h in headings_deg if math.isfinite(h)]
    eighths = sorted({round(h % 360 / 45) % 8 for h in known})
    return " and ".join(_BOUND[e] for e in eighths)


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
