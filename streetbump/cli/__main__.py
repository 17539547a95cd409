"""``python -m streetbump.cli``."""

from streetbump.cli import main

if __name__ == "__main__":
    main()
