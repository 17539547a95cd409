"""What is kept: the ledger, the trip archive, migrations."""

from streetbump.stores.records import (
    Generation,
    LinkRow,
    OutboxRow,
    PlaceRow,
    Region,
    Taken,
    Upload,
)
from streetbump.stores.store import Store

__all__ = ["Generation", "LinkRow", "OutboxRow", "PlaceRow", "Region", "Store", "Taken", "Upload"]
