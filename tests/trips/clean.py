"""How many clean simulated trips are refused; a large run: ``python -m tests.trips.clean 1000``."""

from __future__ import annotations

import sys

from streetbump.config import shipped_settings
from streetbump.model import Rejected
from streetbump.simulate.town import drive_outing, named_town, plan_outings
from streetbump.simulate.writers import RUNS_ON, WRITERS, About, write
from streetbump.trips.door import admit

from .kit import KEY, read_all


def refusals(*, trips: int, seed: int, minutes: float) -> tuple[list[str], int]:
    """What was refused of so many trips, logger by logger in turn, in words; and their number.

    A drive that turns back so that it never leaves the surroundings of its ends is TOO_SHORT
    and rightly so: it is not counted as refused.
    """
    town = named_town("small", seed=1)
    outings = plan_outings(town, trips=trips, seed=seed, minutes=minutes)
    found = []
    for k, outing in enumerate(outings):
        logger = sorted(WRITERS)[k % len(WRITERS)]
        about = About("phone", outing.start_utc_s, min(RUNS_ON[logger]), "America/New_York")
        data = write(drive_outing(town, outing, seed=seed), about=about, logger=logger)
        (got,) = read_all(data, tz=about.tz, local=True)
        if not isinstance(got, Rejected):
            touched = [w for w in got.warnings if "one clock" in w or "CLIPPED" in w]
            found += [f"{logger} {k}: {w}" for w in touched]
            got = admit(got, key=KEY, settings=shipped_settings().door)
        if isinstance(got, Rejected) and got.reason.value != "TOO_SHORT":
            found.append(f"{logger} {k}: {got.reason} {got.hint}")
    return found, len(outings)


if __name__ == "__main__":
    refused, made = refusals(trips=int(sys.argv[1]), seed=12, minutes=5.0)
    sys.stdout.write("\n".join([*refused, f"{len(refused)} of {made} trips refused"]) + "\n")
