"""Every target, or one, one after the other: ``python -m fuzz --seconds 60 [--target NAME]``."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.targets import TARGETS

_DONE = re.compile(r"stat::number_of_executed_units:\s*([0-9]+)")


def main() -> int:
    """The exit code: 0 when every promise held, 1 otherwise."""
    ask = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__.splitlines()[0])
    ask.add_argument("--seconds", type=int, default=60, help="in all, shared by the targets")
    ask.add_argument("--target", choices=sorted(TARGETS), action="append", help="may be repeated")
    ask.add_argument("--keep", type=Path, help="folder for the corpus (else a temporary one)")
    said = ask.parse_args()
    chosen = said.target or list(TARGETS)
    each_s = max(1, said.seconds // len(chosen))
    with tempfile.TemporaryDirectory(prefix="streetbump-fuzz-") as temporary:
        folder = said.keep or Path(temporary)
        failed = [t for t in chosen if not fuzzed(t, each_s, folder / t)]
    if failed:
        sys.stderr.write(f"broken promises in: {', '.join(failed)}\n")
    return 1 if failed else 0


def fuzzed(target: str, seconds: int, folder: Path) -> bool:
    """Whether a target kept its promise for so long; says how many inputs it saw."""
    # S603: our own interpreter and module, and a target from the list
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "fuzz.run", target, str(seconds), str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )  # fmt: skip
    done = _DONE.findall(run.stdout)
    if run.returncode == 0 and done:
        sys.stdout.write(f"{target}: {int(done[-1]):,} executions in {seconds} s, none broke it\n")
        sys.stdout.flush()
        return True
    sys.stdout.write(run.stdout[-6000:] + f"\n{target}: BROKEN (above)\n")
    return False


if __name__ == "__main__":
    sys.exit(main())
