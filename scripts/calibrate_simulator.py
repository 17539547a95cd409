#!/usr/bin/env python3
"""Compare the simulator with recordings; write the tables and pictures of docs/simulator.md.

    STREETBUMP_DATA=FOLDER python scripts/calibrate_simulator.py

FOLDER holds ``gonzalez_2017``, ``tartu_road_surface`` and ``pittsburgh_routes_2017``. Nothing of
the recordings is copied but distributions, spectra and, of the first, some example waveforms.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from streetbump.detect.classify import cut_windows, features
from streetbump.detect.signal import moving_mean
from streetbump.model import STANDARD_GRAVITY_MS2, Floats, JoltClass
from streetbump.simulate.calibration import (
    BOUND,
    CLIP_HZ,
    POPULATIONS,
    PRESS_S,
    SLOW_HZ,
    STATISTICS,
    Match,
    Sample,
    clips,
    matches,
    measured,
    sample,
    simulated,
)

HERE = Path(__file__).resolve().parent.parent
PAGE = HERE / "docs" / "simulator.md"
PICTURES = HERE / "docs" / "pictures"
SEED = 2026
BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"

GONZALEZ = {
    JoltClass.POTHOLE: "potholes",
    JoltClass.HUMP: "asphalt_bumps",
    JoltClass.MARKER: "metal_bumps",
    JoltClass.SMOOTH: "regular_road",
    JoltClass.ROUGH: "worn_out_road",
}
FOUR = (JoltClass.POTHOLE, JoltClass.HUMP, JoltClass.SMOOTH, JoltClass.ROUGH)
START_ROWS = 20  # the Tartu logger's gravity needs two seconds to settle
TILT_S = 10.0  # gravity is the mean over this, s
DRIVING_MS = 3.0


# ------------------------------------------------------------------------------- recordings


def recorded(root: Path) -> dict[str, Sample]:
    """Every recorded population."""
    return {**_gonzalez(root / "gonzalez_2017"), **_tartu(root / "tartu_road_surface"),
            **_pittsburgh(root / "pittsburgh_routes_2017")}  # fmt: skip


def gonzalez_clips(root: Path, label: JoltClass) -> list[Floats]:
    """The clips of one class, vertical with gravity, m/s²."""
    return [np.loadtxt(f, skiprows=1) for f in sorted((root / GONZALEZ[label]).glob("*.csv"))]


def _gonzalez(root: Path) -> dict[str, Sample]:
    names = {f"gonzalez {c.value}": c for c in GONZALEZ}
    return {name: sample(name, gonzalez_clips(root, c)) for name, c in names.items()}


def _tartu(root: Path) -> dict[str, Sample]:
    found: dict[str, list[Floats]] = {}
    for file in sorted(root.glob("*/*.csv")):
        table = pd.read_csv(file)
        name = f"tartu {table['road_type'].iloc[0].lower()}"
        found.setdefault(name, []).append(table["Z-axis"].to_numpy()[START_ROWS:])
    return {name: sample(name, series) for name, series in sorted(found.items())}


def _vertical(file: Path) -> tuple[float, Floats, Floats]:
    """Start, s; vertical acceleration with gravity, m/s², and speed, m/s, at 5 Hz."""
    table = pd.read_csv(file)
    t = table["timestamp"].to_numpy()
    grid = np.arange(t[0], t[-1], 1 / SLOW_HZ)
    columns = ["accelerometerX", "accelerometerY", "accelerometerZ"]
    acc = -STANDARD_GRAVITY_MS2 * table[columns].to_numpy()
    even = np.column_stack([np.interp(grid, t, axis) for axis in acc.T])
    down = moving_mean(even, round(TILT_S * SLOW_HZ))
    up = down / np.linalg.norm(down, axis=1, keepdims=True)
    return float(t[0]), np.sum(even * up, axis=1), np.interp(grid, t, table["speed"].to_numpy())


def _pittsburgh(root: Path) -> dict[str, Sample]:
    around, size = [], round(sum(PRESS_S) * SLOW_HZ)
    for file in sorted(root.glob("routes/*_sensors.csv")):
        start, series, _ = _vertical(file)
        pressed = pd.read_csv(str(file).replace("_sensors", "_potholes"))["timestamp"] - start
        first = [round((t - PRESS_S[0]) * SLOW_HZ) for t in pressed]
        around += [series[k : k + size] for k in first if 0 <= k <= len(series) - size]
    found = {"pittsburgh presses": sample("pittsburgh presses", around)}
    for name in ("good", "bad"):
        sessions = []
        for file in sorted(root.glob(f"sessions/{name}*.csv")):
            _, series, speed = _vertical(file)
            sessions.append(series[speed > DRIVING_MS])
        found[f"pittsburgh {name}"] = sample(f"pittsburgh {name}", sessions)
    return found


# ------------------------------------------------------------------------------- the yardstick


def transfer(root: Path, *, classes: tuple[JoltClass, ...]) -> tuple[float, np.ndarray]:
    """Accuracy and confusion of a regression trained on simulated clips, tested on recorded."""
    rng = np.random.default_rng(SEED)
    x, y, real_x, real_y = [], [], [], []
    for k, label in enumerate(classes):
        x += _windows(clips(label, 300, rng=rng))
        real = _windows(gonzalez_clips(root, label))
        real_x += real
        y += [k] * 300
        real_y += [k] * len(real)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=3000))
    model.fit(features(np.array(x)), y)
    said = model.predict(features(np.array(real_x)))
    table = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(table, (real_y, said), 1)
    return float(np.mean(said == real_y)), table


def _windows(series: list[Floats]) -> list[Floats]:
    found = []
    for z in series:
        v = z - moving_mean(z, round(CLIP_HZ))
        found.append(cut_windows(v, np.array([np.abs(v).argmax()]), rate_hz=CLIP_HZ)[0])
    return found


# ------------------------------------------------------------------------------- the page


def table_of(found: list[Match]) -> str:
    """Markdown rows: medians, distance, bound, verdict."""
    rows = [
        "| population | statistic | recorded | simulated | distance | bound | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    rows += [
        f"| {m.population} | {m.statistic} | {m.recorded:.2f} | {m.simulated:.2f} | "
        f"{m.distance:.2f} | {m.bound:.2f} | {'' if m.holds else '**over**'} |"
        for m in found
    ]
    return "\n".join(rows)


def confusion_of(classes: tuple[JoltClass, ...], table: np.ndarray) -> str:
    """Markdown: rows truth, columns verdict."""
    head = "| truth | " + " | ".join(c.value for c in classes) + " |"
    rows = [
        f"| {c.value} | " + " | ".join(map(str, row)) + " |"
        for c, row in zip(classes, table.tolist(), strict=True)
    ]
    return "\n".join((head, "|---|" + "---:|" * len(classes), *rows))


def report(found: list[Match], root: Path) -> str:
    """What stands between the markers of the page."""
    four, _ = transfer(root, classes=FOUR)
    five, table = transfer(root, classes=tuple(GONZALEZ))
    over = [m for m in found if not m.holds]
    listed = "\n".join(
        f"- {m.population}, {m.statistic}: {m.distance:.2f} over {m.bound:.2f}" for m in over
    )
    return f"""{table_of(found)}

{len(found) - len(over)} of {len(found)} hold (distance at most {BOUND:g} times that of two halves
of the recordings). Known shortfalls:

{listed or "none."}

A regression trained on simulated clips alone calls {four:.0%} of the 200 recorded ones rightly over
four classes (pothole, hump, smooth, rough), and {five:.0%} of 250 over five:

{confusion_of(tuple(GONZALEZ), table)}
"""


# ------------------------------------------------------------------------------- pictures


def draw(real: dict[str, Sample], like: dict[str, Sample]) -> None:
    """All pictures."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"font.size": 7, "axes.linewidth": 0.6, "lines.linewidth": 0.8})
    PICTURES.mkdir(parents=True, exist_ok=True)
    for source in ("gonzalez", "tartu", "pittsburgh"):
        names = [n for n in POPULATIONS if n.startswith(source)]
        _distributions(source, names, real, like)
    clipped = [n for n in POPULATIONS if n.startswith("gonzalez")]
    _spectra([n for n in POPULATIONS if not n.startswith("pittsburgh")], real, like)
    _waveforms(clipped, real, like)


def _distributions(
    source: str, names: list[str], real: dict[str, Sample], like: dict[str, Sample]
) -> None:
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(len(names), 4, figsize=(9, 1.6 * len(names)), squeeze=False)
    for row, name in zip(axes, names, strict=True):
        ours, theirs = measured(name, like[name]), measured(name, real[name])
        found = matches(name, real[name], like[name], seed=SEED)
        for k, ax in enumerate(row):
            x, y = np.sort(theirs[:, k]), np.arange(1, len(theirs) + 1) / len(theirs)
            band = found[k].bound
            ax.fill_between(x, y - band, y + band, step="post", color="0.87", lw=0)
            ax.step(x, y, where="post", color="black", label="recorded")
            mine = np.sort(ours[:, k])
            ax.step(mine, np.arange(1, len(mine) + 1) / len(mine), color="C3", label="simulated")
            ax.set(ylim=(0, 1), xlim=(0, float(np.percentile(np.r_[x, mine], 98)) * 1.05))
            ax.set_xlabel(STATISTICS[k], labelpad=1)
            ax.set_title(f"distance {found[k].distance:.2f}, bound {band:.2f}", fontsize=7, pad=2)
        row[0].set_ylabel(name)
    axes[0, 0].legend(frameon=False)
    _save(fig, f"simulator-{source}.png")


def _spectra(names: list[str], real: dict[str, Sample], like: dict[str, Sample]) -> None:
    from matplotlib import pyplot as plt
    from scipy.signal import welch

    fig, axes = plt.subplots(2, 4, figsize=(9, 4.2))
    for ax, name in zip(axes.flat, names, strict=True):
        rate = POPULATIONS[name].rate_hz
        for of, colour, label in ((real, "black", "recorded"), (like, "C3", "simulated")):
            rows = [
                welch(z - z.mean(), rate, nperseg=min(64, len(z)), nfft=64)
                for z in of[name].series_ms2
            ]
            hz, power = rows[0][0][1:], np.array([p for _, p in rows])[:, 1:]
            low, mid, high = np.percentile(power, [25, 50, 75], axis=0)
            ax.fill_between(hz, low, high, color=colour, alpha=0.15, lw=0)
            ax.semilogy(hz, mid, color=colour, label=label)
        ax.set_title(name, pad=2)
        ax.set_xlabel("Hz", labelpad=1)
    axes[0, 0].legend(frameon=False)
    axes[0, 0].set_ylabel("(m/s²)²/Hz, median and quartiles")
    _save(fig, "simulator-spectra.png")


def _waveforms(names: list[str], real: dict[str, Sample], like: dict[str, Sample]) -> None:
    from matplotlib import pyplot as plt

    rng = np.random.default_rng(SEED)
    fig, axes = plt.subplots(len(names), 6, figsize=(10, 1.5 * len(names)), sharey=True)
    for row, name in zip(axes, names, strict=True):
        for k, ax in enumerate(row):
            of, colour = (real, "black") if k < 3 else (like, "C3")
            z = of[name].series_ms2[int(rng.integers(len(of[name].series_ms2)))]
            ax.plot(np.arange(len(z)) / POPULATIONS[name].rate_hz, z - np.median(z), color=colour)
            ax.set_ylim(-9, 9)
            ax.tick_params(labelsize=5, pad=1)
        row[0].set_ylabel(name + "\nm/s²")
    axes[0, 1].set_title("recorded")
    axes[0, 4].set_title("simulated")
    _save(fig, "simulator-waveforms.png")


def _save(fig: object, name: str) -> None:
    fig.tight_layout(pad=0.4)  # type: ignore[attr-defined]
    fig.savefig(PICTURES / name, dpi=84, pil_kwargs={"optimize": True})  # type: ignore[attr-defined]


def main() -> None:
    """Compare, draw, write."""
    root = Path(os.environ["STREETBUMP_DATA"])
    real = recorded(root)
    like = {name: simulated(name, seed=SEED) for name in POPULATIONS}
    found = [m for name in POPULATIONS for m in matches(name, real[name], like[name], seed=SEED)]
    text = report(found, root / "gonzalez_2017")
    print(text)
    draw(real, like)
    page = PAGE.read_text("utf-8")
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
