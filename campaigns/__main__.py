"""``python -m campaigns faults --runs N`` or ``crashes --crashes N``; exit 1 on any violation."""

from __future__ import annotations

import argparse
import sys
import time

from campaigns import crashes, faults


def main() -> int:
    """Run one campaign and print its count."""
    parser = argparse.ArgumentParser(prog="campaigns")
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("faults")
    one.add_argument("--runs", type=int, default=2000)
    other = kinds.add_parser("crashes")
    other.add_argument("--crashes", type=int, default=10_000)
    for sub in (one, other):
        sub.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    if given.kind == "faults":
        tally = faults.campaign(given.runs, seed=given.seed, say=True)
        bad: list[object] = [*tally.doubled, *tally.lost, *tally.restless]
        print(tally.words())
    else:
        seen = crashes.campaign(given.crashes, seed=given.seed, say=True)
        bad = [*seen.doubled, *seen.lost]
        print(seen.words())
    print(f"seed {given.seed}, {time.monotonic() - began:.0f} s")
    for what in bad[:20]:
        print(what)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
