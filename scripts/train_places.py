#!/usr/bin/env python3
"""Train what tells potholes from the rest by many passes: the numbers of the place model.

    streetbump simulate one --town hard --trips 600 --seed 1 --as parquet
    streetbump simulate two --town hard --trips 400 --seed 2 --as parquet
    streetbump simulate three --town sharp --trips 300 --seed 2 --as parquet
    streetbump simulate four --town bowls --trips 300 --seed 1 --as parquet
    python scripts/train_places.py one two three four

TOWN are folders of simulated towns. Each is detected and clustered as it ships, what each
cluster is is looked up in the truth, and ``streetbump/data/place-model-2.json`` is written. The
figures that are printed are of towns on which the model was not trained.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln, expit

from streetbump.cluster import Examined, examine
from streetbump.cluster.inventory import read_inventory
from streetbump.cluster.kinds import (
    FEATURES,
    KINDS,
    SHARES,
    SHIPPED_MODEL,
    USUAL_SCORE,
    PlaceModel,
    class_posterior,
)
from streetbump.config import shipped_settings
from streetbump.model import CLASSES, TRIPS, Bools, Floats, Ints, Trip
from streetbump.pipeline.intake import detect_trip
from streetbump.trips import ReadOptions, read
from streetbump.trips.door import admit

HERE = Path(__file__).parent.parent
DOOR_KEY = bytes.fromhex("5b" * 32)
AROUND_S = (-0.6, 1.2)
"""A jolt may stem from a crossing that far after and before it, s: both axles, slow cars."""
LEAST_MS2 = 0.4
"""A weaker crossing explains no jolt."""
L2 = 15.0
"""Of the logistic regression, per town. Of 10, 30 and 100 for two towns 30 had the fewest false
potholes in a town not trained on for the same number of right ones."""
LIMIT = 4.0
SHARE = 0.3
"""A cluster is a pothole when one left two jolts in it and this share of all."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """The clusters of one town: what the model sees, and what is true."""

    x: Floats  # (n, f)
    nearness: Floats  # (n, k)
    kind: Ints  # (n,), of KINDS
    rated: Bools  # (n,): whether the truth about its rate is known
    felt: Floats  # (n,): share of the passes that felt it
    voted: Floats
    passed: Floats


def lesson(folder: Path) -> Lesson:
    """Detect, cluster, and look up the truth."""
    settings = shipped_settings()
    crossings = dict(iter(pd.read_csv(folder / "crossings.csv").groupby("trip_id")))
    bumps, passes, trips, sources = [], [], [], []
    for path in sorted((folder / "trips").iterdir()):
        rows = read(path.read_bytes(), name=path.name, options=ReadOptions(local=True),
                    pseudonym=lambda name: name)  # fmt: skip
        admitted = [admit(t, key=DOOR_KEY, settings=settings.door) for t in rows
                    if isinstance(t, Trip)]  # fmt: skip
        for trip in (t for t in admitted if isinstance(t, Trip)):
            found = detect_trip(trip, settings)
            bumps.append(found.bumps)
            passes.append(found.passes)
            trips.append((trip.key, trip.device, trip.dated, True))
            source = source_of(found.bumps["t_s"].to_numpy(), crossings.get(path.stem))
            sources.append(found.bumps[["trip_key", "seq"]].assign(source=source))
    listed = read_inventory((folder / "inventory.geojson").read_bytes(), source="inventory",
                            kind=None, owner=None).rows  # fmt: skip
    table = pd.DataFrame(trips, columns=list(TRIPS.names))
    found, _ = examine(
        pd.concat(bumps, ignore_index=True), pd.concat(passes, ignore_index=True),
        TRIPS.build({name: table[name] for name in TRIPS.names}), listed,
        owned=None, settings=settings.cluster,
    )  # fmt: skip
    if found is None:
        raise SystemExit(f"{folder}: nothing was felt there")
    return looked_up(found, pd.concat(sources), pd.read_csv(folder / "sites.csv"))


def source_of(t_s: Floats, crossings: pd.DataFrame | None) -> np.ndarray:
    """The strongest crossing around each jolt, "" without any."""
    source = np.full(len(t_s), "", dtype=object)
    if crossings is None or len(t_s) == 0:
        return source
    after = t_s[:, None] - crossings["t_s"].to_numpy()
    near = (after > AROUND_S[0]) & (after < AROUND_S[1])
    peak = np.where(near, crossings["peak_ms2"].to_numpy(), 0.0)
    best = peak.argmax(axis=1)
    known = peak.max(axis=1) > LEAST_MS2
    source[known] = crossings["site_id"].to_numpy(object)[best[known]]
    return source


def looked_up(found: Examined, sources: pd.DataFrame, sites: pd.DataFrame) -> Lesson:
    """What most jolts of each cluster stem from, and how often that is felt."""
    keys = ["trip_key", "seq"]
    of = sources.set_index(keys)["source"]
    source = of.reindex(pd.MultiIndex.from_frame(found.hits[keys])).to_numpy(object)
    site = sites.set_index("site_id")
    jolts = pd.DataFrame({"cluster": found.g.number, "source": source})
    count = jolts.groupby(["cluster", "source"]).size().rename("n").reset_index()
    count["kind"] = [site["label"].get(s, "smooth") for s in count["source"]]
    count["size"] = count.groupby("cluster")["n"].transform("sum")
    most = count.sort_values(["cluster", "n", "source"]).groupby("cluster").last()
    holes = count[(count["kind"] == "pothole") & (count["n"] >= 2)]
    holes = set(holes.loc[holes["n"] >= SHARE * holes["size"], "cluster"])
    kind = ["pothole" if c in holes else k for c, k in most["kind"].items()]
    passes, felt = (site[c].reindex(most["source"]).to_numpy() for c in ("passes", "felt"))
    sure = (most["n"] >= SHARES[10] * most["size"]).to_numpy() & (most["size"] >= 2).to_numpy()
    column = [[c.value for c in CLASSES].index(k) for k in KINDS]
    return Lesson(
        x=found.x,
        nearness=found.nearness[:, column],
        kind=np.array([KINDS.index(k) for k in kind]),
        rated=sure & (np.nan_to_num(passes) >= 5),
        felt=np.clip(np.nan_to_num(felt / np.maximum(passes, 1)), 0.0, 1.0),
        voted=found.votes.voted,
        passed=found.votes.passed,
    )


def train(lessons: list[Lesson], keep: list[Bools]) -> PlaceModel:
    """The model of some of the clusters."""

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([getattr(t, name)[k] for t, k in zip(lessons, keep, strict=True)])

    x, kind, nearness = all_of("x"), all_of("kind"), all_of("nearness")
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = np.clip((x - centre) / scale, -LIMIT, LIMIT)
    weights, bias, listed = regress(z, kind, nearness, l2=L2 * len(lessons))
    rated = all_of("rated")
    felt, heard = rates(
        kind[rated], all_of("felt")[rated], all_of("voted")[rated], all_of("passed")[rated],
        x[rated][:, FEATURES.index("score")],
    )  # fmt: skip
    return PlaceModel(
        name=SHIPPED_MODEL.removesuffix(".json"), card="docs/models/place-model-2.md",
        features=FEATURES, kinds=KINDS, centre=_row(centre), scale=_row(scale), limit=LIMIT,
        weights=tuple(_row(w) for w in weights), bias=_row(bias), listed=_row(listed),
        felt=tuple(_row(f) for f in felt), heard=_row(heard[: len(KINDS)]),
        heard_score=round(float(heard[-2]), 4), heard_alike=round(float(np.exp(heard[-1])), 4),
    )  # fmt: skip


def _row(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(v), 5) for v in values)


def regress(z: Floats, kind: Ints, nearness: Floats, *, l2: float) -> tuple[Floats, Floats, Floats]:
    """Multinomial logistic regression, in which a listed obstacle favours its own kind only."""
    f, k = z.shape[1], len(KINDS)
    true = np.eye(k)[kind]

    def parts(theta: Floats) -> tuple[Floats, Floats, Floats]:
        return theta[: f * k].reshape(f, k), theta[f * k : f * k + k], theta[f * k + k :]

    def loss(theta: Floats) -> tuple[float, Floats]:
        w, b, c = parts(theta)
        logit = z @ w + b + nearness * c
        p = np.exp(logit - logit.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        off = p - true
        value = -np.log(np.maximum((p * true).sum(axis=1), 1e-12)).sum()
        slope = (z.T @ off + l2 * w).ravel(), off.sum(axis=0), (off * nearness).sum(axis=0) + l2 * c
        return float(value + l2 / 2 * ((w**2).sum() + (c**2).sum())), np.concatenate(slope)

    bounds = [(None, None)] * (f * k + k) + [(0.0, None)] * k
    start = np.zeros(f * k + 2 * k)
    return parts(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
                          options={"maxiter": 1000}).x)  # fmt: skip


def rates(
    kind: Ints, felt: Floats, voted: Floats, passed: Floats, score: Floats
) -> tuple[Floats, Floats]:
    """How often things of each kind are felt, and how often that leaves a jolt in the cluster."""
    steps, k = len(SHARES), len(KINDS)
    prior = np.zeros((k, steps))
    for j in range(k):
        count = np.bincount(np.rint(felt[kind == j] * (steps - 1)).astype(int), minlength=steps)
        inner = np.convolve(np.pad(count[:-1], 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid")
        inner *= count[:-1].sum() / max(inner.sum(), 1e-9)
        prior[j] = np.append(inner, count[-1]) + 0.05
    prior /= prior.sum(axis=1, keepdims=True)

    def loss(theta: Floats) -> float:
        share = expit(theta[kind] + theta[k] * (score - np.log(USUAL_SCORE))) * felt
        a = np.clip(share, 1e-3, 1 - 1e-3) * np.exp(theta[-1])
        b = np.exp(theta[-1]) - a
        like = betaln(voted + a, passed - voted + b) - betaln(a, b)
        return float(0.05 * (theta[:k] ** 2).sum() - like.sum())

    start = np.append(np.full(k, 0.5), [0.5, 1.0])
    return prior, minimize(loss, start, method="L-BFGS-B").x


def verdict(t: Lesson, model: PlaceModel) -> str:
    """How well a model knows the clusters of a town that it was not trained on."""
    nearness = np.zeros((len(t.kind), len(CLASSES)))
    nearness[:, [[c.value for c in CLASSES].index(k) for k in KINDS]] = t.nearness
    p = class_posterior(t.x, nearness, model)[:, 0]
    true, called = t.kind == KINDS.index("pothole"), p >= 0.5
    bins = np.minimum((p * 10).astype(int), 9)
    gap = np.abs(np.bincount(bins, p - true, minlength=10)).sum() / len(p)
    return (
        f"{len(p)} clusters, {called.sum()} called potholes, {true[called].mean():.3f} of them"
        f" right; {called[true].mean():.3f} of {true.sum()} found; ECE {gap:.3f}"
    )


def main() -> None:
    """Look at the towns, say how well the halves know each other, and write the model."""
    lessons = [lesson(Path(name)) for name in sys.argv[1:]]
    if not lessons:
        raise SystemExit(__doc__)
    everything = [np.ones(len(t.kind), np.bool_) for t in lessons]
    for k, (name, t) in enumerate(zip(sys.argv[1:], lessons, strict=True)):
        others = lessons[:k] + lessons[k + 1 :]
        if others:
            print(f"{name}: {verdict(t, train(others, everything[:k] + everything[k + 1 :]))}")
    model = train(lessons, everything)
    path = HERE / "streetbump" / "data" / SHIPPED_MODEL
    path.write_bytes(msgspec.json.encode(model))
    print(f"{path.name}: digest {model.digest}, {sum(len(t.kind) for t in lessons)} clusters")


if __name__ == "__main__":
    main()
