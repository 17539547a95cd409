"""``python -m streetbump``: the command line."""

from streetbump.cli import main

main()
