"""A city's key, kept out of reprs, logs, pickles and error texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from streetbump.cityprofile import CityProfile, GeoReportChannel
from streetbump.errors import ConfigError

_MASK = "Secret(***)"


class Secret:
    """Text that shows itself only when asked by name.

    >>> Secret("k3y")
    Secret(***)
    >>> f"{Secret('k3y')}", Secret("k3y").reveal()
    ('Secret(***)', 'k3y')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        # A key goes into a header or a form: anything else would only come back in an error text.
        if not value or not value.isascii() or not value.isprintable():
            raise ConfigError("a key must be printable ASCII on one line, and not empty")
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    def __str__(self) -> str:
        return _MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def load_key(profile: CityProfile, *, environ: Mapping[str, str], folder: Path) -> Secret | None:
    """The key that `profile` names; None when it names none.

    Parameters
    ----------
    environ : mapping
        The environment to look `key_env` up in.
    folder : Path
        Where a relative `key_file` starts from: the folder of the profile.

    Raises
    ------
    ConfigError
        The variable is not set, the file cannot be read, or what it holds cannot be a key.
    """
    channel = profile.channel
    if not isinstance(channel, GeoReportChannel):
        return None
    if channel.key_env:
        return _secret(environ.get(channel.key_env, ""), f"environment variable {channel.key_env}")
    if channel.key_file:
        path = folder / channel.key_file
        try:
            return _secret(path.read_text("utf-8"), f"key file {path}")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "not text"
            raise ConfigError(f"{profile.name}: key file {path}: {reason}") from None
    return None


def _secret(text: str, where: str) -> Secret:
    try:
        return Secret(text.strip())
    except ConfigError as exc:
        raise ConfigError(f"{where}: {exc}") from None
