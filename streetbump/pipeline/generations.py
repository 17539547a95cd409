"""Generations: which settings, algorithms and models the store computes by."""

from __future__ import annotations

import msgspec

from streetbump import cluster, detect
from streetbump.cluster.kinds import load_place_model
from streetbump.config import Settings, generation_key, stored_settings
from streetbump.detect.classify import load_model
from streetbump.errors import GenerationError
from streetbump.stores import Generation, Store

_HOW = "streetbump reprocess --generation NAME, then streetbump promote NAME"


def generation_parts(settings: Settings) -> tuple[str, str, str]:
    """Content key, algorithm and model digest of what this version computes with `settings`."""
    algorithm = f"{detect.ALGORITHM}+{cluster.ALGORITHM}"
    digest = f"{load_model().digest}+{load_place_model().digest}"
    return generation_key(settings, algorithm=algorithm, model=digest), algorithm, digest


def settings_of(generation: Generation) -> Settings:
    """The settings that a stored generation was made with."""
    return stored_settings(generation.settings, where=f"generation {generation.name}")


def active_generation(
    store: Store, settings: Settings | None, *, shipped: Settings, now_ns: int
) -> tuple[Generation, Settings]:
    """The store's active generation, and the settings to work with.

    Parameters
    ----------
    settings : Settings or None
        What the caller asked for; None means whatever the store has.
    shipped : Settings
        What a new store begins with when nothing was asked for.

    Raises
    ------
    GenerationError
        The caller's settings, or this version's algorithms, would give other results than the
        active generation's.
    """
    active = store.active()
    if active is None:
        first = settings or shipped
        added = register(store, first, name=f"settings-{first.version}", now_ns=now_ns)
        return added, first
    wanted = settings or settings_of(active)
    if generation_parts(wanted)[0] == active.content:
        return active, wanted
    if (said := outdated(active)) is not None:
        raise GenerationError(f"the store's active generation {active.name!r} {said}")
    raise GenerationError(
        f"--settings: differ from those of the store's active generation {active.name!r};"
        f" to change them: {_HOW}"
    )


def outdated(generation: Generation) -> str | None:
    """How this version computes otherwise than a generation was, and what to do; else None."""
    content, algorithm, _ = generation_parts(settings_of(generation))
    if content == generation.content:
        return None
    if algorithm == generation.algorithm:
        return f"was computed with other models than this version has: {_HOW}"
    return f"was computed by {generation.algorithm}, this version computes by {algorithm}: {_HOW}"


def named_generation(
    store: Store, settings: Settings | None, *, name: str, shipped: Settings, now_ns: int
) -> tuple[Generation, Settings]:
    """The generation to compute under that name, and its settings; a new name is entered.

    With no settings asked for, they are those the name stands for already, else those of the
    active generation. Whether this version still computes the active one does not matter: after
    an upgrade this is how the store comes to one that it does.

    Raises
    ------
    GenerationError
        The name stands for other settings, or for another version's algorithms.
    """
    known = {g.name: g for g in store.generations()}
    like = known.get(name) or store.active()
    used = settings or (settings_of(like) if like else shipped)
    return register(store, used, name=name, now_ns=now_ns), used


def register(store: Store, settings: Settings, *, name: str, now_ns: int) -> Generation:
    """Enter the generation of these settings in the store."""
    content, algorithm, digest = generation_parts(settings)
    return store.add_generation(
        name=name,
        content=content,
        settings=msgspec.json.encode(settings).decode(),
        algorithm=algorithm,
        model=digest,
        now_ns=now_ns,
    )
