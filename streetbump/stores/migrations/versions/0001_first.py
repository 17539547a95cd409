"""The first schema.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"], unique=False)
    op.create_table(
        "bumps",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trip_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("t_utc_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("t_s", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("lat_deg", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("lon_deg", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("pos_err_m", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("heading_deg", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("speed_ms", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("peak_ms2", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("energy_m2s3", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("duration_s", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("score", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("weight", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_pothole", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_hump", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_marker", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_casting", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_joint", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_rough", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_smooth", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_not_road", sa.Double(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("generation", "cell", "trip_key", "seq", name=op.f("pk_bumps")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_bumps_generation_trip_key", "bumps", ["generation", "trip_key"], unique=False
    )
    op.create_table(
        "cells",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("input_digest", sa.BigInteger(), nullable=False),
        sa.Column("done_digest", sa.BigInteger(), nullable=True),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "cell", name=op.f("pk_cells")),
    )
    op.create_index(
        "ix_cells_generation_stale", "cells", ["generation", "stale", "cell"], unique=False
    )
    op.create_table(
        "clusters",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lat_deg", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("lon_deg", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("pos_err_m", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("heading_deg", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("n_trips", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n_devices", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n_days", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hits", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("passes", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hit_rate", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("hit_rate_lo", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("hit_rate_hi", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("class", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("p_pothole", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_hump", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_marker", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_casting", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_joint", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_rough", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_smooth", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("p_not_road", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("severity", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("severity_lo", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("severity_hi", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("priority", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("obstacle_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("obstacle_revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("synthetic", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("first_seen_utc_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seen_utc_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("generation", "cluster_id", name=op.f("pk_clusters")),
    )
    op.create_index("ix_clusters_generation_cell", "clusters", ["generation", "cell"], unique=False)
    op.create_table(
        "detections",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("trip_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bumps", sa.Integer(), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "trip_key", name=op.f("pk_detections")),
    )
    op.create_index("ix_detections_trip_key", "detections", ["trip_key"], unique=False)
    op.create_table(
        "generations",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("review_first", sa.Boolean(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_generations")),
    )
    op.create_table(
        "leases",
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", name=op.f("pk_leases")),
    )
    op.create_table(
        "members",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("trip_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("core", sa.Boolean(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(
            "generation", "cluster_id", "trip_key", "seq", name=op.f("pk_members")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "obstacle_cells",
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("obstacle_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cell", "obstacle_id", name=op.f("pk_obstacle_cells")),
    )
    op.create_index(
        "ix_obstacle_cells_obstacle_id", "obstacle_cells", ["obstacle_id"], unique=False
    )
    op.create_table(
        "obstacles",
        sa.Column("obstacle_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("source_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("kind", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("class", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("wkt", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("radius_m", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("owner", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("valid_from", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("valid_to", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("obstacle_id", name=op.f("pk_obstacles")),
    )
    op.create_table(
        "outbox",
        sa.Column("place_id", sa.Text(), nullable=False),
        sa.Column("episode", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("marker", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("next_ns", sa.BigInteger(), nullable=True),
        sa.Column("sent_ns", sa.BigInteger(), nullable=True),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place_id", "episode", name=op.f("pk_outbox")),
        sa.UniqueConstraint("marker", name=op.f("uq_outbox_marker")),
    )
    op.create_index("ix_outbox_city_state", "outbox", ["city", "state"], unique=False)
    op.create_table(
        "passes",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trip_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("t_utc_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("heading_deg", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("speed_ms", sa.Double(), autoincrement=False, nullable=True),
        sa.Column("weight", sa.Double(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("generation", "cell", "trip_key", "seq", name=op.f("pk_passes")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_passes_generation_trip_key", "passes", ["generation", "trip_key"], unique=False
    )
    op.create_table(
        "place_history",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("place_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_place_history")),
    )
    op.create_index(op.f("ix_place_history_place_id"), "place_history", ["place_id"], unique=False)
    op.create_table(
        "place_links",
        sa.Column("place_id", sa.Text(), nullable=False),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("place_id", "cluster_id", "since_ns", name=op.f("pk_place_links")),
    )
    op.create_index("ix_place_links_cluster_id", "place_links", ["cluster_id"], unique=False)
    op.create_table(
        "places",
        sa.Column("place_id", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("lat_deg", sa.Double(), nullable=False),
        sa.Column("lon_deg", sa.Double(), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("review", sa.Text(), nullable=True),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place_id", name=op.f("pk_places")),
    )
    op.create_index(op.f("ix_places_cell"), "places", ["cell"], unique=False)
    op.create_table(
        "stretches",
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("heading_sector", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n_trips", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("jolts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("severity", sa.Double(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("generation", "bin", "heading_sector", name=op.f("pk_stretches")),
    )
    op.create_index(
        "ix_stretches_generation_cell", "stretches", ["generation", "cell"], unique=False
    )
    op.create_table(
        "trips",
        sa.Column("trip_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trip_id", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("time_basis", sa.Text(), nullable=False),
        sa.Column("dated", sa.Boolean(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("rate_hz", sa.Double(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("fixes", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trip_key", name=op.f("pk_trips")),
        sa.UniqueConstraint("handle", name=op.f("uq_trips_handle")),
        sa.UniqueConstraint("trip_id", name=op.f("uq_trips_trip_id")),
    )
    op.create_index(op.f("ix_trips_device"), "trips", ["device"], unique=False)
    op.create_table(
        "upload_trips",
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("trip_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", "trip_key", name=op.f("pk_upload_trips")),
    )
    op.create_index("ix_upload_trips_trip_key", "upload_trips", ["trip_key"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=True),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_uploads")),
    )
    op.create_index(
        "ix_uploads_state_received_ns",
        "uploads",
        ["state", "received_ns", "upload_id"],
        unique=False,
    )
    # ### end Alembic commands ###
