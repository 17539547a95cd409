"""One target in this process, for so many seconds: ``python -m fuzz.run NAME SECONDS FOLDER``.

Started by ``scripts/fuzz``. libFuzzer writes the inputs that reached new code into FOLDER/corpus,
and the one that broke a promise into FOLDER.
"""

from __future__ import annotations

import importlib
import pkgutil
import resource
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["streetbump.trips"]):
    import streetbump.trips

    for _module in pkgutil.iter_modules(streetbump.trips.__path__, "streetbump.trips."):
        importlib.import_module(_module.name)  # readers are imported on first use, too late
    from fuzz import targets

from fuzz.seeds import WORDS, seeds

MOST_S = 1.0
"""Most processor time for one input, s."""
GROWTH_KB = 1024 * 1024
"""Most memory above that of the first inputs, KiB. The fuzzer itself keeps some 4 KiB per input;
without it the reader did not grow in 40,000 (docs/fuzzing.md)."""
WARM = 2000
"""So many inputs come before memory is taken to have settled."""
MAX_LENGTH = 4096


class Watch:
    """Shows inputs to a target and looks at the clock and at memory."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._seen = 0
        self._settled_kb = 0

    def __call__(self, data: bytes) -> None:
        """One input."""
        start_s = time.process_time()
        targets.feed(self._target, data)
        took_s = time.process_time() - start_s
        targets.hold(took_s < MOST_S, f"{took_s:.1f} s for {len(data)} bytes")
        self._seen += 1
        if self._seen == WARM:
            self._settled_kb = _peak_kb()
        elif self._seen > WARM and self._seen % 1000 == 0:
            grown_kb = _peak_kb() - self._settled_kb
            targets.hold(grown_kb < GROWTH_KB, f"{grown_kb} KiB more memory than at first")


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(target: str, seconds: str, folder: Path) -> None:
    """Fuzz; libFuzzer ends the process."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for k, data in enumerate(seeds(target)):
        (corpus / f"seed-{k}").write_bytes(data)
    words = folder / "words"
    quoted = ("".join(f"\\x{b:02x}" for b in word.encode()) for word in WORDS)
    words.write_text("".join(f'"{word}"\n' for word in quoted), "ascii")
    options = [
        f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", "-timeout=30", "-rss_limit_mb=2048",
        "-print_final_stats=1", "-verbosity=1", f"-dict={words}", f"-artifact_prefix={folder}/",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], Watch(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
