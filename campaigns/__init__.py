"""Long trials of sending: every fault of a city, alone and in pairs; a crash at every step.

``python -m campaigns faults`` and ``python -m campaigns crashes`` (see ``scripts/campaign``). The
judge is the practice city's own ledger: nothing twice, nothing lost.
"""
