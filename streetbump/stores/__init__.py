"""What is kept: the ledger, the trip archive, migrations."""

from streetbump.stores.store import (
    Generation,
    OutboxRow,
    PlaceRow,
    Region,
    Store,
    Taken,
    Upload,
)

__all__ = ["Generation", "OutboxRow", "PlaceRow", "Region", "Store", "Taken", "Upload"]
