"""What was seen in a file and what was taken for granted, for a person who asks.

Warnings say what was repaired or guessed; notes say the rest: which reader, why, and how it
understood the numbers. ``doctor trip`` prints them; they are stored nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable

Note = tuple[str, str]
"""A topic, of `TOPICS`, and words."""
TOPICS = ("reader", "told_by", "table", "clock", "sign", "unit", "rows", "positions",
          "median_a", "steps", "clock_offset", "at_the_door")  # fmt: skip


def by_topic(notes: Iterable[Note]) -> dict[str, str]:
    """The notes under their topics, in the order of `TOPICS`; of one topic, one after the other.

    >>> by_topic([("rows", "9 in the file"), ("reader", "jsonl"), ("rows", "8 samples")])
    {'reader': 'jsonl', 'rows': '9 in the file; 8 samples'}
    """
    found: dict[str, list[str]] = {}
    for topic, words in notes:  # a dozen notes
        found.setdefault(topic, []).append(words)
    known = sorted(found, key=TOPICS.index)
    return {topic: "; ".join(dict.fromkeys(found[topic])) for topic in known}
