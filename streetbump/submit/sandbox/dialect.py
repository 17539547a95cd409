"""How the practice city deviates from GeoReport v2: one field per switch, one entry per known city.

The default is the standard. What a switch means stands beside it, and only there: the page in
docs/, ``/openapi.json`` and the error messages are all made from these fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


def _says(meaning: str, **limits: Any) -> Meta:
    return Meta(description=meaning, **limits)


class Attribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A question of the service definition."""

    code: str
    datatype: Literal[
        "string", "number", "datetime", "text", "singlevaluelist", "multivaluelist"
    ] = "string"
    required: bool = True
    values: tuple[str, ...] = ()  # keys of the answers a list allows


FilterName = Literal["service_request_id", "service_code", "status", "start_date", "end_date"]
Alias = Literal[
    "servicerequest_id", "status_note", "zip_code", "address_string", "adress_id", "latitude",
    "longitude",
]  # fmt: skip
ALIASES: dict[Alias, str] = {
    "servicerequest_id": "service_request_id",
    "status_note": "status_notes",
    "zip_code": "zipcode",
    "address_string": "address",
    "adress_id": "address_id",
    "latitude": "lat",
    "longitude": "long",
}
"""Other names for fields of a request, and what they stand for."""


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The switches of the practice city; times run on its own clock."""

    # ------------------------------------------------------------------------ answers
    success: Annotated[Literal[200, 201], _says("status of a created request")] = 201
    ids: Annotated[Literal["string", "number"], _says("`PC-1`, or 1 as a number")] = "string"
    first_id: Annotated[int, _says("number of the first request of a new ledger", ge=0)] = 1
    errors: Annotated[
        Literal["array", "wrapped", "object", "messages", "html"],
        _says("shape of errors: an array, in `errors`, one `error` with a `message`, a list "
              "`error_messages`, or a page for people"),
    ] = "array"  # fmt: skip
    formats: Annotated[
        Literal["both", "json", "xml"], _says("what is spoken; the other is 404")
    ] = "both"
    json_shape: Annotated[
        Literal["plain", "wrapped", "single", "named"],
        _says("`[…]`, `{service_requests: […]}`, `{service_requests: {request: …}}` or "
              "`[{request: …}]`"),
    ] = "plain"  # fmt: skip
    xml_root: Annotated[
        Literal["standard", "array", "dashed", "response"],
        _says('`<service_requests>`, the same with `type="array"`, `<service-requests>`, or '
              "`<response>`"),
    ] = "standard"  # fmt: skip
    xml_type: Annotated[Literal["text/xml", "application/xml"], _says("content type of XML")] = (
        "text/xml"
    )
    xml_escaped_twice: Annotated[bool, _says("XML text is escaped twice")] = False
    aliases: Annotated[tuple[Alias, ...], _says("fields that go by these names instead")] = ()
    coordinates: Annotated[Literal["number", "string"], _says("lat and long")] = "number"
    dates: Annotated[
        Literal["utc", "no_zone", "milliseconds", "offset"],
        _says("`…00Z`, `…00`, `…00.000Z`, or local time as `…00-05:00`"),
    ] = "utc"
    odd_types: Annotated[
        bool, _says("media_url is a list of objects, agency_responsible an object, list values "
                    "are numbers")
    ] = False  # fmt: skip
    named_rows: Annotated[bool, _says("requests carry their service_name")] = True
    latency_s: Annotated[float, _says("seconds each call takes, of real time", ge=0, le=60)] = 0.0

    # ----------------------------------------------------------------------- services
    service_code: Annotated[str, _says("code of the pothole service", min_length=1)] = "POTHOLE"
    service_name: Annotated[str, _says("its name")] = "Pothole"
    stored_code: Annotated[str, _says("the code is rewritten to this on storing")] = ""
    services: Annotated[
        Literal["listed", "incomplete", "vanished", "other_only", "xxx"],
        _says("the pothole code is listed; not listed but taken; gone; gone, with only `OTHER` "
              "left; or every code is `XXX`"),
    ] = "listed"  # fmt: skip
    metadata: Annotated[
        Literal["as_is", "true", "false"], _says("what the list says of attributes")
    ] = "as_is"
    definition: Annotated[Literal["given", "404", "400"], _says("answer to services/CODE")] = (
        "given"
    )
    attributes: Annotated[
        tuple[Attribute, ...],
        _says("questions of the definition: `code`, `datatype`, `required`, `values`"),
    ] = ()
    multivalue: Annotated[
        Literal["both", "brackets", "repeated"],
        _says("several values as `attribute[C][]`, as repeated `attribute[C]`, or either"),
    ] = "both"
    discovery: Annotated[
        Literal["given", "missing", "other_host", "odd_changeset"],
        _says("the discovery document"),
    ] = "given"

    # ----------------------------------------------------------------------- creating
    post_body: Annotated[Literal["form", "json"], _says("what a POST holds")] = "form"
    bare_post: Annotated[
        Literal["404", "redirect", "html_created"],
        _says("POST to /requests without a format: not found, 301 to the list, or created and "
              "answered with a page and 200"),
    ] = "404"  # fmt: skip
    unknown_arguments: Annotated[
        Literal["ignored", "taken", "refused"],
        _says("arguments the standard does not know: dropped, stored and shown, or 400"),
    ] = "ignored"
    required: Annotated[
        tuple[str, ...],
        _says("arguments needed besides, such as `email`; `lat` or `address_string` here means "
              "that one does not replace the other"),
    ] = ()  # fmt: skip
    incomplete: Annotated[
        Literal["400", "500", "list_200"],
        _says("answer when an argument is missing: 400, 500 for ever, or 200 with the list of "
              "all requests"),
    ] = "400"  # fmt: skip
    description_min: Annotated[int, _says("least length of the description", ge=0)] = 0
    description_max: Annotated[int, _says("most", ge=1, le=1_000_000)] = 4000
    captcha: Annotated[bool, _says("a captcha is asked for, and no answer is right")] = False
    boundary: Annotated[
        tuple[float, float, float, float] | None,
        _says("west, south, east, north: places outside are refused"),
    ] = None
    read_only: Annotated[bool, _says("nothing can be created (405)")] = False
    tokens: Annotated[
        Literal["no", "yes", "both", "neither"],
        _says("what a POST gives: an id, a token, both, or nothing at all"),
    ] = "no"
    token_after_s: Annotated[float, _says("until a token has an id, s", ge=0, le=1e9)] = 0.0
    exchange_early: Annotated[
        Literal["pending", "404"], _says("a token asked for before: without id, or not found")
    ] = "pending"
    token_rows: Annotated[
        bool, _says("before, lists show the row with its token and no id; else not at all")
    ] = True
    dedupe: Annotated[
        Literal["no", "older_id", "refused"],
        _says("an open request within `dedupe_m`: nothing, its id is the answer, or 400 "
              "“reference already exists”"),
    ] = "no"  # fmt: skip
    dedupe_m: Annotated[float, _says("metres", ge=0, le=1e6)] = 30.0
    client_request_id: Annotated[
        bool, _says("the same `client_request_id` gives the same request")
    ] = False

    # ------------------------------------------------------------------------ reading
    filters_ignored: Annotated[
        tuple[FilterName, ...], _says("arguments of a list that change nothing")
    ] = ()
    zoned_dates: Annotated[
        Literal["taken", "refused"], _says("start_date and end_date with a zone")
    ] = "taken"
    place_filter: Annotated[
        bool, _says("lat and long on a list choose a box of about 750 m, unless an id is asked")
    ] = False
    extensions: Annotated[
        bool, _says("lists know updated_after, updated_before, q, and `extensions=true`, which "
                    "adds extended_attributes")
    ] = False  # fmt: skip
    default_status: Annotated[Literal["all", "open"], _says("what a list without status holds")] = (
        "all"
    )
    empty_list: Annotated[Literal["empty", "404"], _says("answer when nothing is found")] = "empty"
    list_limit: Annotated[int, _says("lists are cut here, silently; 0 is never", ge=0)] = 0
    page_size: Annotated[int, _says("requests on a `page`; 0 is no paging", ge=0)] = 0
    page_size_max: Annotated[int, _says("most that `page_size` may ask for", ge=1)] = 100
    first_page: Annotated[Literal[0, 1], _says("number of the first page")] = 1
    poison: Annotated[
        Literal["shown", "empty_200", "500"],
        _says("a list that holds a poisoned request: as any other, 200 without a body, or 500"),
    ] = "shown"
    listed_after_s: Annotated[
        float,
        _says("moderation: listed so long after it came, s; -1 when published", ge=-1, le=1e9),
    ] = 0.0
    readable_at_once: Annotated[bool, _says("an unlisted request can be read by its id")] = True
    gone_after_s: Annotated[
        float, _says("404 so long after it came, s; 0 is never", ge=0, le=1e9)
    ] = 0.0

    # ------------------------------------------------------------------- jurisdiction, key
    jurisdiction: Annotated[str, _says("the only jurisdiction_id it knows; empty: any")] = ""
    jurisdiction_missing: Annotated[
        Literal["taken", "400", "404", "html_200"],
        _says("answer without one: as if given, refused, or a page with 200"),
    ] = "400"
    jurisdiction_unknown: Annotated[
        Literal["404", "empty_200"], _says("answer to another one: 404, or 200 with `[]`")
    ] = "404"
    jurisdiction_in_query: Annotated[bool, _says("a POST has it in the address")] = False
    api_key: Annotated[str, _says("the key; empty: none is asked for")] = ""
    key_place: Annotated[
        Literal["form", "header", "bearer", "basic", "form_or_bearer"],
        _says("where the key belongs; on reads, form means the query"),
    ] = "form_or_bearer"
    key_header: Annotated[str, _says("name of the header")] = "X-API-Key"
    key_on_reads: Annotated[bool, _says("reading needs it as well")] = False
    key_missing: Annotated[Literal[400, 401, 403], _says("status without a key")] = 403
    key_wrong: Annotated[Literal[400, 401, 403], _says("status with another")] = 403
    calls_per_minute: Annotated[
        int, _says("more are answered 429 with Retry-After; 0 is no limit", ge=0)
    ] = 0


_SPOT = Dialect(
    tokens="yes", token_after_s=600.0, page_size=50, calls_per_minute=10, extensions=True,
    odd_types=True,
)  # fmt: skip
_WHERE = Attribute(
    code="WHEREIST", datatype="singlevaluelist",
    values=("INTERSEC", "BIKE", "CROSS", "CURB", "TRAFFIC"),
)  # fmt: skip

LIKE: dict[str, Dialect] = {
    "standard": Dialect(),
    "spot": _SPOT,
    "boston": msgspec.structs.replace(
        _SPOT, stored_code="input.Pothole", services="incomplete", definition="404",
        service_code="Public Works Department:Highway Maintenance:Request for Pothole Repair",
    ),
    "chicago": msgspec.structs.replace(
        _SPOT, service_code="4fd3b656e750846c53000004", service_name="Pothole in Street",
        required=("lat", "address_string"), attributes=(_WHERE,), zoned_dates="refused",
        page_size_max=500, exchange_early="404",
    ),
    "washington": Dialect(formats="xml", tokens="yes", token_after_s=300.0),
    "seeclickfix": Dialect(
        ids="number", required=("first_name", "last_name", "email"), place_filter=True,
        page_size=20, services="other_only", dates="offset",
    ),
    "helsinki": Dialect(
        listed_after_s=86_400.0, description_min=10, description_max=5000, named_rows=False,
        coordinates="string", aliases=("zip_code",), metadata="false", service_code="171",
        list_limit=200,
    ),
    "klarschiff": Dialect(
        ids="number", default_status="open", required=("email",), listed_after_s=3600.0,
        errors="messages", key_missing=400, key_wrong=401, api_key="practice",
        xml_root="array", aliases=("adress_id",), success=200,
    ),
    "mark-a-spot": Dialect(
        empty_list="404", json_shape="single", errors="object", page_size=25, first_page=0,
        aliases=("servicerequest_id", "status_note", "address_string"),
    ),
    "fixmystreet": Dialect(
        json_shape="wrapped", xml_type="application/xml", read_only=True, odd_types=True,
        jurisdiction="fiksgatami.example", jurisdiction_missing="html_200",
        service_code="Potholes",
    ),
    "libre311": Dialect(
        jurisdiction="practice.example", jurisdiction_in_query=True, captcha=True,
        client_request_id=True, service_code="1", ids="number", xml_escaped_twice=True,
    ),
    "ureport": Dialect(services="xxx"),
    "open311-to-go": Dialect(post_body="json", key_place="header", api_key="practice"),
    "dius": Dialect(key_place="basic", api_key="practice", definition="400"),
    "django": Dialect(
        success=200, ids="number", first_id=0, unknown_arguments="taken", bare_post="redirect",
        incomplete="500", dates="milliseconds",
    ),
    "perl": Dialect(unknown_arguments="refused", poison="500", dates="no_zone"),
    "php": Dialect(
        success=200, ids="number", bare_post="html_created", incomplete="list_200",
        poison="empty_200", unknown_arguments="ignored", jurisdiction="practice.example",
        jurisdiction_missing="taken", jurisdiction_unknown="empty_200",
    ),
}  # fmt: skip
"""What is known of servers in use, as far as it can be imitated; a starting point, no promise."""
