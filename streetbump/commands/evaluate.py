"""``streetbump evaluate``: recordings whose truth is known → the scoreboard.

The effects of the command: finding and reading files, hearing every trip (in parallel), and a
store in a temporary folder where places are scored. What is computed from them is pure and stands
in :mod:`streetbump.report`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pandas as pd

from streetbump import runtime
from streetbump.commands.inputs import TripOptions, contents_of, trip_files
from streetbump.commands.obstacles import import_obstacles
from streetbump.commands.session import offer_files, open_session
from streetbump.config import Settings
from streetbump.detect.classify import load_model
from streetbump.errors import InputError, UsageError
from streetbump.executors import Executor
from streetbump.model import JoltClass, PlaceState, Reason, Rejected, Trip
from streetbump.pipeline import Progress
from streetbump.report import truth as known
from streetbump.report.events import drives_of, score_events
from streetbump.report.hearing import Heard, bare_trip, hear
from streetbump.report.rows import rejected_rows
from streetbump.report.scoreboard import Figure, frame_of
from streetbump.report.series import Clip, clip_of, score_series
from streetbump.report.sessions import score_sessions
from streetbump.report.sites import score_sites
from streetbump.report.town import REPORT_COLUMNS, Snapshot
from streetbump.report.truth import Description
from streetbump.runtime import read_text
from streetbump.stores import Store
from streetbump.trips import ReadOptions, read

Tell = Callable[[str], None]

DESCRIPTION = "dataset.toml"


@dataclass(frozen=True)
class Evaluated:
    """The scoreboard, what must be known to read it, and what was refused."""

    table: pd.DataFrame
    words: tuple[str, ...]
    rejected: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Case:
    """One data set: its files (path relative to its folder → path) and what is true of them."""

    name: str
    files: dict[str, Path]
    description: Description
    described: bool
    truth: pd.DataFrame
    sites: pd.DataFrame | None
    crossings: pd.DataFrame | None
    obstacles: Path | None
    options: TripOptions


def evaluate(
    paths: Sequence[str],
    options: TripOptions,
    *,
    truth: Path | None,
    dataset: Path | None,
    settings: Settings,
    executor: Executor,
    tell: Tell = lambda _what: None,
) -> Evaluated:
    """Score what `paths` hold against what is known to be true.

    Parameters
    ----------
    truth : Path or None
        The truth table of all paths together; else every path is a folder with a table of its own.
    dataset : Path or None
        Description of every data set; else each folder's ``dataset.toml``, or none.

    Raises
    ------
    InputError, UsageError, ConfigError
        There is no truth, or it cannot be used.
    """
    scored = [
        _score(case, settings=settings, executor=executor, tell=tell)
        for case in _cases(paths, options, truth=truth, dataset=dataset)
    ]
    return Evaluated(
        pd.concat([s.table for s in scored], ignore_index=True),
        tuple(word for s in scored for word in s.words),
        pd.concat([s.rejected for s in scored], ignore_index=True),
    )


# ------------------------------------------------------------------------------- what is there


def _cases(
    paths: Sequence[str], options: TripOptions, *, truth: Path | None, dataset: Path | None
) -> Iterable[Case]:
    if truth is not None:
        described = _description(dataset)
        files = {rel: path for name in paths for rel, path in _inside(Path(name)).items()}
        yield _case(truth.parent.name or truth.stem, files, described, dataset, truth, options)
        return
    for name in paths:
        folder = Path(name)
        if not folder.is_dir():
            trip_files([name])  # a path that does not exist is said as everywhere else
            raise UsageError(f"{name}: what is true of it? --truth FILE, or give a folder with one")
        own = folder / DESCRIPTION
        where = dataset or (own if own.is_file() else None)
        described = _description(where)
        found = (described or Description()).truth
        yield _case(
            folder.resolve().name, _inside(folder), described, where, folder / found, options
        )


def _description(path: Path | None) -> Description | None:
    if path is None:
        return None
    return known.parse_description(read_text(path, "data set"), where=str(path))


def _inside(path: Path) -> dict[str, Path]:
    """The files of a folder by their path in it; a file by its name."""
    found = trip_files([str(path)])
    if not path.is_dir():
        return {path.name: path}
    return {p.relative_to(path).as_posix(): p for p in found}


def _case(
    name: str,
    files: dict[str, Path],
    described: Description | None,
    where: Path | None,
    truth: Path,
    options: TripOptions,
) -> Case:
    if not truth.is_file():
        raise InputError(f"{truth}: no such truth table; --truth FILE says where it is")
    d = described or Description()
    folder = truth.parent
    sites = folder / d.sites
    obstacles, crossings = (folder / f if f else None for f in (d.obstacles, d.crossings))
    if d.columns and options.columns is None and where is not None:
        options = replace(options, columns=where.parent / d.columns)
    if d.tz and options.tz is None:
        options = replace(options, tz=d.tz)
    more = known.parse_sites(_text(sites), where=str(sites)) if sites.is_file() else None
    met = known.parse_crossings(_text(crossings), where=str(crossings)) if crossings else None
    beside = (truth, sites, folder / DESCRIPTION, obstacles, crossings)
    apart = {p.resolve() for p in beside if p}
    return Case(
        name=d.name or name,
        files=_wanted({r: p for r, p in files.items() if p.resolve() not in apart}, d),
        description=d,
        described=described is not None,
        truth=known.with_places(known.parse_truth(_text(truth), where=str(truth)), more),
        sites=more,
        crossings=met,
        obstacles=obstacles,
        options=options,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path}: {getattr(exc, 'strerror', None) or 'is not text'}") from exc


def _wanted(files: dict[str, Path], d: Description) -> dict[str, Path]:
    """The files that the description's patterns name; all when it names none."""
    if not d.trips:
        return files
    return {rel: path for rel, path in files.items() if known.is_named(rel, d.trips)}


# ------------------------------------------------------------------------------- hearing


@dataclass(frozen=True)
class _Job:
    """One file to be heard: what it is, and how to read it."""

    path: Path
    relative: str
    trip_id: str
    expected: bool  # the truth table or the description names it
    label: JoltClass | None  # of a clip; None: a trip
    bare_rate_hz: float | None
    axes: tuple[str, ...]
    options: ReadOptions
    settings: Settings
    with_peers: bool


Outcome = Heard | Clip | Rejected


def _jobs(case: Case, settings: Settings) -> tuple[list[_Job], list[str]]:
    """What to read, and which files the truth does not name."""
    d, truth = case.description, case.truth
    listed = truth[truth["trip_id"] != ""]
    kind_of = dict(zip(listed["trip_id"], listed["kind"], strict=True))
    label_of = dict(zip(listed["trip_id"], listed["label"], strict=True))
    ids = known.trip_ids(list(case.files), list(kind_of), rule=d.trip_id)
    every_trip = bool((truth["kind"] == "site").any()) or d.unlisted == "no-events"
    with_peers = bool(truth["kind"].isin(["event", "site"]).any())
    how = case.options.for_reading()
    jobs, skipped = [], []
    for rel, path in case.files.items():
        trip_id = ids.get(rel, "")
        is_listed = trip_id in kind_of
        if not is_listed and not every_trip:
            skipped.append(rel)
            continue
        series = kind_of.get(trip_id) == "series"
        jobs.append(
            _Job(
                path=path,
                relative=rel,
                trip_id=trip_id or rel,
                expected=is_listed or bool(d.trips),
                label=_class_of(label_of[trip_id], d) if series else None,
                bare_rate_hz=d.rate_hz or (known.DEFAULT_RATE_HZ if series else None),
                axes=d.axes,
                options=how,
                settings=settings,
                with_peers=with_peers,
            )
        )
    return jobs, skipped


def _class_of(label: str, d: Description) -> JoltClass:
    found = d.class_of(label)
    if found is None:
        raise InputError(f"truth: which class is {label!r}? say it under [labels] in dataset.toml")
    return found


def _listen(job: _Job) -> Outcome:
    """Read one file and hear it; what cannot be read is data."""
    trip = _read(job)
    if isinstance(trip, Rejected):
        return trip
    detect = job.settings.detect
    if job.label is not None:
        return clip_of(trip, trip_id=job.trip_id, label=job.label, settings=detect)
    return hear(
        trip, trip_id=job.trip_id, settings=detect, model=load_model(), with_peers=job.with_peers
    )


def _read(job: _Job) -> Trip | Rejected:
    data = contents_of(job.path)
    if job.bare_rate_hz is not None:
        try:
            values = known.parse_bare(data.decode("utf-8", "replace"), axes=job.axes)
        except InputError as exc:
            return Rejected("", Reason.SCHEMA, str(exc))
        return bare_trip(values, rate_hz=job.bare_rate_hz)
    found = read(data, name=job.path.name, options=job.options, pseudonym=lambda _name: "named")
    trips = [row for row in found if isinstance(row, Trip)]
    if len(trips) == 1:
        return trips[0]
    refused = [row for row in found if isinstance(row, Rejected)]
    if not trips and refused:
        return refused[0]
    return Rejected("", Reason.SCHEMA, f"holds {len(trips)} trips, not told apart")


@dataclass(frozen=True)
class _Listened:
    trips: list[Heard]
    clips: list[Clip]
    files: dict[str, Path]  # trip id → file
    refused: list[tuple[str, Rejected]]
    no_trips: list[str]  # refused, but no trip of the truth table is missing for it


def _listen_all(jobs: Sequence[_Job], *, executor: Executor, tell: Tell) -> _Listened:
    outcomes: list[tuple[_Job, Outcome]] = []
    for job, outcome in zip(jobs, executor.map(_listen, jobs), strict=True):
        outcomes.append((job, outcome))
        tell(f"heard {len(outcomes)} of {len(jobs)} files")
    file_of: dict[str, Path] = {}
    for job, outcome in outcomes:
        if isinstance(outcome, Rejected):
            continue
        if job.trip_id in file_of:
            raise InputError(
                f"{file_of[job.trip_id]} and {job.path} are both trip {job.trip_id!r};"
                " say which under trips or trip_id in dataset.toml"
            )
        file_of[job.trip_id] = job.path
    refused = [(j, o) for j, o in outcomes if isinstance(o, Rejected)]
    return _Listened(
        trips=[o for _, o in outcomes if isinstance(o, Heard)],
        clips=[o for _, o in outcomes if isinstance(o, Clip)],
        files=file_of,
        refused=[(str(j.path), o) for j, o in refused if _is_missed(j, file_of)],
        no_trips=[j.relative for j, _ in refused if not _is_missed(j, file_of)],
    )


def _is_missed(job: _Job, file_of: dict[str, Path]) -> bool:
    """Whether a refused file leaves a gap: something names it, and no other file is that trip."""
    return job.expected and job.trip_id not in file_of


# ------------------------------------------------------------------------------- scoring


def _score(case: Case, *, settings: Settings, executor: Executor, tell: Tell) -> Evaluated:
    jobs, skipped = _jobs(case, settings)
    heard = _listen_all(jobs, executor=executor, tell=lambda what: tell(f"{case.name}: {what}"))
    tell(f"{case.name}: matching and drawing")
    figures = _figures(case, heard, settings=settings)
    if (case.truth["kind"] == "site").any() and heard.trips:
        figures += _place_figures(case, heard, settings=settings, executor=executor, tell=tell)
    words = _words(case, heard, [*heard.no_trips, *skipped])
    if not figures:
        words.append(f"{case.name}: there is nothing that could be scored")
    return Evaluated(
        frame_of(figures, dataset=case.name), tuple(words), rejected_rows(heard.refused)
    )


def _figures(case: Case, heard: _Listened, *, settings: Settings) -> list[Figure]:
    d, truth = case.description, case.truth
    drives = drives_of(heard.trips, truth, unlisted=d.unlisted)
    return [
        *score_events(drives, report_score=settings.detect.report_score, description=d),
        *score_series(
            heard.clips, model=load_model(), unsure_below=settings.detect.unsure_below,
            seen=bool(d.seen_in_training), note=_training(case),
        ),
        *score_sessions(heard.trips, truth, description=d),
    ]  # fmt: skip


DOOR_KEY = "5b" * 32
"""Of every evaluation: what is cut off a trip's ends depends on the key, and figures must not."""
PREFIXES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Shares of the trips, in time order, after which places are scored."""


def _place_figures(
    case: Case, heard: _Listened, *, settings: Settings, executor: Executor, tell: Tell
) -> list[Figure]:
    trips = sorted(heard.trips, key=lambda h: (h.origin_ns, h.trip_id))
    ends = sorted({max(1, round(share * len(trips))) for share in PREFIXES})
    with tempfile.TemporaryDirectory(prefix="streetbump-evaluate-") as folder:
        shots = list(
            _snapshots(
                case, [(h, heard.files[h.trip_id]) for h in trips], ends, folder=Path(folder),
                settings=settings, executor=executor, tell=tell,
            )
        )  # fmt: skip
    tell(f"{case.name}: grouping the peers' jolts")
    return score_sites(
        shots, trips, case.truth, case.sites, case.crossings, description=case.description
    )


def _snapshots(
    case: Case,
    trips: Sequence[tuple[Heard, Path]],
    ends: Sequence[int],
    *,
    folder: Path,
    settings: Settings,
    executor: Executor,
    tell: Tell,
) -> Iterator[Snapshot]:
    """A store of its own, filled as a user's is; its clusters and places after so many trips."""
    (folder / "door.key").write_text(DOOR_KEY, "ascii")
    session = open_session(
        f"sqlite:///{folder / 'evaluate.db'}", settings=settings, executor=executor,
        environ={runtime.KEY_FILE_VARIABLE: str(folder / "door.key")},
    )  # fmt: skip
    with session.store as store:
        if case.obstacles is not None:
            import_obstacles(session, case.obstacles)
        for begin, end in pairwise((0, *ends)):
            for _, path in trips[begin:end]:
                offer_files(session, [str(path)], _named(case, path), stdin=bytes)
            session.until_idle(
                lanes=("intake", "cluster"),
                on_progress=_tell_of(f"{case.name}: {end} trips", tell),
            )
            clusters = store.clusters()
            jolts = store.members(clusters["cluster_id"])[["cluster_id", "trip_key", "t_s"]]
            yield Snapshot(end, clusters, jolts, _reported(store))


def _tell_of(title: str, tell: Tell) -> Callable[[Progress], None]:
    return lambda progress: tell(f"{title}: {progress.what}")


def _named(case: Case, path: Path) -> TripOptions:
    """The options of one file, with the phone that its name tells."""
    device = known.device_of(path.as_posix(), rule=case.description.device)
    return replace(case.options, device=device) if device else case.options


def _reported(store: Store) -> pd.DataFrame:
    """The places that would be reported as potholes, with what their best cluster states."""
    clusters = store.clusters().set_index("cluster_id")
    rows = []
    for place in store.places():
        if place.state != PlaceState.FLAGGED or place.jolt_class != JoltClass.POTHOLE:
            continue
        held = clusters.loc[[c for c in place.clusters if c in clusters.index]]
        best = held.sort_values(["n_devices", "hits"]).iloc[-1]
        rows.append((place.lat_deg, place.lon_deg, *best[list(REPORT_COLUMNS[2:])]))
    table = pd.DataFrame(rows, columns=list(REPORT_COLUMNS)).astype("float64")
    return table.sort_values(list(REPORT_COLUMNS), ignore_index=True)  # ids of places are random


def _training(case: Case) -> str:
    """What the shipped model has seen of these recordings, in a sentence."""
    seen = case.description.seen_in_training
    model = load_model()
    if seen:
        hint = case.description.hint or f"{model.card} has cross-validated figures"
        return f"{model.name} was TRAINED ON THESE RECORDINGS, so these figures flatter: {hint}"
    if seen is None:
        return (
            f"nobody said (seen_in_training) whether {model.name} was trained on these recordings"
        )
    return f"{model.name} was not trained on these recordings"


def _words(case: Case, heard: _Listened, skipped: Sequence[str]) -> list[str]:
    named = {t for t in case.truth["trip_id"] if t}
    missing = sorted(named - set(heard.files))
    words = [f"{case.name}: {len(heard.trips)} trips and {len(heard.clips)} clips heard"]
    words += _some("skipped, no trips of the truth table", skipped)
    words += _some("in the truth table, but not among what was read", missing)
    if not case.described:
        words.append("no dataset.toml: what the folder holds was told from its truth table")
        if heard.clips:
            words.append(f"the clips are taken to be sampled at {known.DEFAULT_RATE_HZ:g} Hz")
    words.append(_training(case))
    return words


def _some(what: str, names: Sequence[str], limit: int = 6) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return [f"{len(names)} {what}: {', '.join(list(names)[:limit])}{more}"]


# ------------------------------------------------------------------------------- pictures


def draw(table: pd.DataFrame, folder: Path) -> list[str]:
    """Draw the figures into a folder, which is made where it is missing: what was drawn.

    Raises
    ------
    UsageError
        The folder cannot be written to.
    """
    from streetbump.report.pictures import pictures

    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for name, png in pictures(table).items():
            (folder / f"{name}.png").write_bytes(png)
            names.append(f"{name}.png")
    except OSError as exc:
        raise UsageError(f"--pictures {folder}: {exc.strerror}") from exc
    return [f"drawn into {folder}: {', '.join(names)}"] if names else ["there was nothing to draw"]
