"""The tables of the store: one schema, two databases. What columns mean stands in ``model``.

Changes go through a migration (``migrations/versions``); a test compares the two.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from streetbump import model

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "int64": sa.BigInteger(),
    "float64": sa.Double(),
    "bool": sa.Boolean(),
    "str": sa.Text(),
}


def _columns(
    table: model.Table, *, key: tuple[str, ...], nullable: bool = True
) -> list[sa.Column[Any]]:
    return [
        sa.Column(
            c.name,
            _TYPES[c.dtype],
            primary_key=c.name in key,
            nullable=nullable and c.dtype in {"float64", "str"} and c.name not in key,
            autoincrement=False,
        )
        for c in table.columns
    ]


def _generation() -> sa.Column[str]:
    return sa.Column("generation", sa.Text(), primary_key=True)


def _cell() -> sa.Column[int]:
    return sa.Column("cell", sa.BigInteger(), primary_key=True, autoincrement=False)


def _ns(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


generations = sa.Table(
    "generations",
    metadata,
    sa.Column("name", sa.Text(), primary_key=True),
    sa.Column("content", sa.Text(), nullable=False),  # config.generation_key: what it computes
    sa.Column("settings", sa.Text(), nullable=False),  # JSON of config.Settings
    sa.Column("algorithm", sa.Text(), nullable=False),
    sa.Column("model", sa.Text(), nullable=False),
    sa.Column("active", sa.Boolean(), nullable=False),
    sa.Column("review_first", sa.Boolean(), nullable=False),  # just promoted: hold its first plan
    _ns("created_ns"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("upload_id", sa.Text(), primary_key=True),
    sa.Column("name", sa.Text(), nullable=False),  # for people; never opened
    sa.Column("source", sa.Text(), nullable=False),  # where the bytes are to be read
    sa.Column("options", sa.Text(), nullable=False),  # JSON of what the caller said
    sa.Column("live", sa.Boolean(), nullable=False),  # came through a door with age limits
    sa.Column("state", sa.Text(), nullable=False),  # queued | accepted | rejected
    sa.Column("attempts", sa.Integer(), nullable=False),
    sa.Column("reason", sa.Text()),
    sa.Column("hint", sa.Text()),
    _ns("received_ns"),
    _ns("updated_ns"),
    sa.Index("ix_uploads_state_received_ns", "state", "received_ns", "upload_id"),
)

trips = sa.Table(
    "trips",
    metadata,
    sa.Column("trip_key", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("trip_id", sa.Text(), nullable=False, unique=True),
    sa.Column("handle", sa.Text(), nullable=False, unique=True),  # random; the audit's name for it
    sa.Column("device", sa.Text(), index=True),
    sa.Column("format", sa.Text(), nullable=False),
    sa.Column("time_basis", sa.Text(), nullable=False),
    sa.Column("dated", sa.Boolean(), nullable=False),
    sa.Column("synthetic", sa.Boolean(), nullable=False),
    sa.Column("rate_hz", sa.Double(), nullable=False),
    sa.Column("samples", sa.Integer(), nullable=False),
    sa.Column("fixes", sa.Integer(), nullable=False),
    sa.Column("warnings", sa.Text(), nullable=False),  # JSON list
)

upload_trips = sa.Table(
    "upload_trips",
    metadata,
    sa.Column("upload_id", sa.Text(), primary_key=True),
    sa.Column("trip_key", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("device", sa.Text()),
    sa.Column("synthetic", sa.Boolean(), nullable=False),
    sa.Index("ix_upload_trips_trip_key", "trip_key"),
)

detections = sa.Table(
    "detections",
    metadata,
    _generation(),
    sa.Column("trip_key", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("bumps", sa.Integer(), nullable=False),
    sa.Column("passes", sa.Integer(), nullable=False),
    sa.Index("ix_detections_trip_key", "trip_key"),
)

# Stored by place, so that a region is one scan; a trip's rows are few cells.
bumps = sa.Table(
    "bumps",
    metadata,
    _generation(),
    _cell(),
    *_columns(model.BUMPS, key=("trip_key", "seq")),
    sa.Index("ix_bumps_generation_trip_key", "generation", "trip_key"),
    sqlite_with_rowid=False,
)

passes = sa.Table(
    "passes",
    metadata,
    _generation(),
    _cell(),
    *_columns(model.PASSES, key=("trip_key", "seq")),
    sa.Index("ix_passes_generation_trip_key", "generation", "trip_key"),
    sqlite_with_rowid=False,
)

cells = sa.Table(
    "cells",
    metadata,
    _generation(),
    _cell(),
    # Exclusive or of a hash per trip and obstacle in the cell and its halo.
    sa.Column("input_digest", sa.BigInteger(), nullable=False),
    sa.Column("done_digest", sa.BigInteger()),
    sa.Column("stale", sa.Boolean(), nullable=False),
    sa.Index("ix_cells_generation_stale", "generation", "stale", "cell"),
)

clusters = sa.Table(
    "clusters",
    metadata,
    _generation(),
    *_columns(model.CLUSTERS, key=("cluster_id",)),
    sa.Index("ix_clusters_generation_cell", "generation", "cell"),
)

members = sa.Table(
    "members",
    metadata,
    _generation(),
    *_columns(model.MEMBERS, key=("cluster_id", "trip_key", "seq")),
    sqlite_with_rowid=False,
)

stretches = sa.Table(
    "stretches",
    metadata,
    _generation(),
    *_columns(model.STRETCHES, key=("bin", "heading_sector")),
    sa.Index("ix_stretches_generation_cell", "generation", "cell"),
)

obstacles = sa.Table("obstacles", metadata, *_columns(model.OBSTACLES, key=("obstacle_id",)))

obstacle_cells = sa.Table(
    "obstacle_cells",
    metadata,
    _cell(),
    sa.Column("obstacle_id", sa.Text(), primary_key=True),
    sa.Index("ix_obstacle_cells_obstacle_id", "obstacle_id"),
)

places = sa.Table(
    "places",
    metadata,
    sa.Column("place_id", sa.Text(), primary_key=True),
    sa.Column("class", sa.Text(), nullable=False),
    sa.Column("lat_deg", sa.Double(), nullable=False),
    sa.Column("lon_deg", sa.Double(), nullable=False),
    sa.Column("cell", sa.BigInteger(), nullable=False, index=True),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("episode", sa.Integer(), nullable=False),
    sa.Column("why", sa.Text(), nullable=False),
    sa.Column("review", sa.Text()),  # approved | held | rejected, by a person
    # How often its passes, or what its city said, have changed, and how often that was looked at.
    sa.Column("life_wanted", sa.BigInteger(), nullable=False, server_default="1"),
    sa.Column("life_done", sa.BigInteger(), nullable=False, server_default="0"),
    _ns("updated_ns"),
)

# Append-only: which clusters a place was linked with; the open ones (until_ns null) are current.
place_links = sa.Table(
    "place_links",
    metadata,
    sa.Column("place_id", sa.Text(), primary_key=True),
    sa.Column("cluster_id", sa.Text(), primary_key=True),
    sa.Column("since_ns", sa.BigInteger(), primary_key=True, autoincrement=False),
    _ns("until_ns", nullable=True),
    sa.Index("ix_place_links_cluster_id", "cluster_id"),
)

place_history = sa.Table(
    "place_history",
    metadata,
    sa.Column("number", sa.Integer(), primary_key=True),
    sa.Column("place_id", sa.Text(), nullable=False, index=True),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("episode", sa.Integer(), nullable=False),
    sa.Column("why", sa.Text(), nullable=False),
    _ns("at_ns"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("place_id", sa.Text(), primary_key=True),
    sa.Column("episode", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("city", sa.Text(), nullable=False),
    sa.Column("marker", sa.Text(), nullable=False, unique=True),
    sa.Column("state", sa.Text(), nullable=False),
    sa.Column("request", sa.Text(), nullable=False),  # JSON of model.ServiceRequest
    sa.Column("payload_hash", sa.Text(), nullable=False),
    sa.Column("request_id", sa.Text()),
    sa.Column("token", sa.Text()),
    sa.Column("attempts", sa.Integer(), nullable=False),
    sa.Column("note", sa.Text(), nullable=False),
    _ns("next_ns", nullable=True),  # not before; null: at once
    _ns("sent_ns", nullable=True),  # when the last attempt began
    sa.Column("city_status", sa.Text()),  # open | closed | duplicate | gone; null: never read
    sa.Column("city_words", sa.Text()),  # the city's own words beside it
    _ns("status_ns", nullable=True),  # when we first saw this status
    _ns("closed_ns", nullable=True),  # when we first saw it closed; null while it is open
    sa.Column("parent_id", sa.Text()),  # the request the city follows instead
    _ns("created_ns"),
    _ns("updated_ns"),
    sa.Index("ix_outbox_city_state", "city", "state"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("resource", sa.Text(), primary_key=True),
    sa.Column("owner", sa.Text(), nullable=False),
    sa.Column("epoch", sa.BigInteger(), nullable=False),
    _ns("until_ns"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.Integer(), primary_key=True),
    _ns("at_ns"),
    sa.Column("what", sa.Text(), nullable=False),
    sa.Column("subject", sa.Text(), nullable=False, index=True),
    sa.Column("detail", sa.Text(), nullable=False),  # JSON
)
