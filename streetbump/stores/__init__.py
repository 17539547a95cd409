"""What is kept: the ledger, the trip archive, migrations."""

from streetbump.stores.records import (
    Generation,
    LinkRow,
    Offer,
    OutboxRow,
    Outcome,
    PlaceRow,
    Region,
    Taken,
    Upload,
)
from streetbump.stores.store import Store

__all__ = [
    "Generation",
    "LinkRow",
    "Offer",
    "OutboxRow",
    "Outcome",
    "PlaceRow",
    "Region",
    "Store",
    "Taken",
    "Upload",
]  # fmt: skip
