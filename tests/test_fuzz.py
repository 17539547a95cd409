"""Fuzzing begins with inputs that are answers themselves, and would notice a broken promise."""

from __future__ import annotations

import numpy as np
import pytest

from fuzz.seeds import WORDS, seeds
from fuzz.targets import TARGETS, Broken, feed, hold


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_are_answered(target: str) -> None:
    """Every seed of a target is a value or a refusal."""
    for data in seeds(target):
        feed(target, data)


@pytest.mark.parametrize("target", TARGETS)
def test_changed_seeds_are_answered(target: str) -> None:
    """So is a seed with some of its bytes replaced by words of the grammars."""
    rng = np.random.default_rng(7)
    made = seeds(target)
    for _ in range(60):
        data = bytearray(made[int(rng.integers(len(made)))])
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(len(data) + 1))
            word = WORDS[int(rng.integers(len(WORDS)))].encode()
            data[at : at + int(rng.integers(0, 12))] = word
        feed(target, bytes(data))


def test_a_broken_promise_is_noticed() -> None:
    """What does not hold is raised, and is no refusal."""
    with pytest.raises(Broken, match="so it is"):
        hold(False, "so it is")
