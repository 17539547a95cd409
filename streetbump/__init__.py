"""streetbump: streets that report their own potholes.

Importing this package imports nothing heavy; each room is imported by the one that needs it.
"""

__version__ = "0.1.0"
