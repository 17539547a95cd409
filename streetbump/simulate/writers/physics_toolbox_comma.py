"""Physics Toolbox Suite with commas: quoted decimal commas, as phones with such a locale write.

Header, quotes, decimals and trailing separator are those of the recordings of Francisco
Nascimento (São Paulo, 2018): ``time,gFx,gFy,gFz,Latitude,Longitude,Speed (m/s),``.
"""

from __future__ import annotations

from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.physics_toolbox import clock, places
from streetbump.simulate.writers.rows import About, joined, texts
from streetbump.trips.table import SYNTHETIC_COLUMN

HEADER = "time,gFx,gFy,gFz,Latitude,Longitude,Speed (m/s),"


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The export of a trip, in g, Android sign, on the local clock without its date.

    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 1.7e9, "android", "UTC"))
    >>> print(data.decode().splitlines()[2])
    22:13:20:020,"0,0000","0,0000","1,0024","12,00000000","-150,00000000","0,00000000","1",
    """
    rows = texts(
        '%s,"%.4f","%.4f","%.4f",%s,"1",',
        clock(trip, about),
        *(trip.acc_ms2.T / STANDARD_GRAVITY_MS2),
        places(trip, '"%.8f","%.8f","%.8f"'),
    )
    return joined([f"{HEADER}{SYNTHETIC_COLUMN},"], [row.replace(".", ",") for row in rows])
