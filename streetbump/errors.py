"""Every exception streetbump raises on purpose.

::

    StreetbumpError
    ├── UsageError          the command or call was worded wrongly            exit 2
    ├── ConfigError         a settings file, profile or column map is wrong   exit 2
    ├── InputError          what was to be read cannot be read                exit 1
    ├── StoreError          the store cannot be opened, read or written       exit 4
    │   ├── StoreBusy       another process holds what is needed              exit 3
    │   └── GenerationError the store's active generation is not this one     exit 4
    ├── CityError           a city's server cannot be used                    exit 4
    └── MissingExtra        an optional package is not installed              exit 2

A bad *trip file* is not an exception but a row: see :class:`streetbump.model.Rejected`.
"""


class StreetbumpError(Exception):
    """Root of the tree; its message says what happened, where, and what to do."""

    exit_code = 4


class UsageError(StreetbumpError):
    """The command or call was worded wrongly."""

    exit_code = 2


class ConfigError(StreetbumpError):
    """A settings file, a city profile or a column map is wrong."""

    exit_code = 2


class InputError(StreetbumpError):
    """What was to be read (an inventory, a truth table, a path) cannot be read."""

    exit_code = 1


class StoreError(StreetbumpError):
    """The store cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another process holds what is needed; trying again makes sense."""

    exit_code = 3


class GenerationError(StoreError):
    """The store's active generation is not the one this call would compute with."""


class CityError(StreetbumpError):
    """A city's server answered in a way that cannot be worked with."""


class ProcessLost(StreetbumpError):
    """A process that worked for us was ended from outside; the work can be taken up again."""

    exit_code = 3


class MissingExtra(StreetbumpError):
    """An optional package is needed and not installed."""

    exit_code = 2

    @classmethod
    def of(cls, package: str, extra: str) -> "MissingExtra":
        """The error for a missing `package` that the optional part `extra` brings."""
        return cls(f"this needs the package {package}: pip install 'streetbump[{extra}]'")
