"""Strictness measured the other way: clean trips of every logger are let in."""

from __future__ import annotations

from .clean import plain_refusals, refusals


def test_no_clean_trip_is_refused() -> None:
    """Of two drives in each of ten loggers' files not one is refused, nor its clock touched."""
    refused, made = refusals(trips=20, seed=11, minutes=4.0)
    assert (refused, made) == ([], 20)


def test_no_cheap_clean_trip_is_refused() -> None:
    """Every logger, platform and rate once; docs/formats.md has a larger, windier run."""
    assert plain_refusals(trips=90, seed=11) == []
