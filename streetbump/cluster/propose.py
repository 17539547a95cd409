"""What the passes say about the inventory: obstacles it lacks, and obstacles nobody feels.

Nothing is changed here. A person looks at the evidence, and imports or retires.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.cluster.evidence import NS_PER_DAY, Centres
from streetbump.cluster.match import felt_within_m, match, points_of
from streetbump.config import ClusterSettings
from streetbump.geo import bearing_deg, bin_of, ecef_m, heading_difference_deg
from streetbump.model import Bools, Floats, Ints, JoltClass

SPANNING = (JoltClass.HUMP, JoltClass.JOINT)
"""Classes that lie across the whole street: felt in both directions, or not what they seem."""

OBSTACLES_FELT = (JoltClass.HUMP, JoltClass.JOINT, JoltClass.CASTING, JoltClass.MARKER)

PAIR_M, OPPOSITE_DEG = 10.0, 135.0
"""Two directions within this distance (and twice their errors), at this angle, feel one thing."""

CROSSING_DEG = 30.0
"""A street at a smaller angle runs along a line and does not cross it. Chosen by us."""

PROPOSED_COLUMNS = (
    "id", "kind", "lat_deg", "lon_deg", "pos_err_m", "directions", "hits", "passes", "hit_rate_lo",
    "hit_rate_hi", "devices", "days", "span_days", "p_class", "severity", "first_day_utc",
    "last_day_utc", "nearest_id", "nearest_kind", "nearest_m", "clusters",
)  # fmt: skip

DOUBT_COLUMNS = (
    "obstacle_id", "source", "source_id", "kind", "owner", "finding", "passes", "devices", "felt",
    "felt_share_hi", "last_day_utc", "cluster_id", "p_class", "hit_rate_lo", "wkt",
)  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """What it takes to propose or doubt. All chosen by us; options of the command change them.

    Attributes
    ----------
    devices, passes : int
        Least distinct named devices, and least passes in each direction.
    hit_rate_lo : float
        A hump is felt on nearly every pass; lower end of the 90 % interval.
    class_p : float
        Least probability of the class.
    span_days : float
        From the first to the last hit: what came yesterday may be gone tomorrow.
    felt_hi : float
        Upper end (95 %) of the share of passes that felt a listed obstacle, to doubt it.
    """

    devices: int = 5
    passes: int = 10
    hit_rate_lo: float = 0.6
    class_p: float = 0.6
    span_days: float = 60.0
    felt_hi: float = 0.2


def proposals(clusters: pd.DataFrame, obstacles: pd.DataFrame, *, bar: Bar) -> pd.DataFrame:
    """Places felt as an obstacle on nearly every pass, that no inventory lists.

    Parameters
    ----------
    clusters : DataFrame
        Table ``CLUSTERS`` of one generation.
    obstacles : DataFrame
        Table ``OBSTACLES``: what is listed; only the nearest is told.

    Returns
    -------
    DataFrame
        Columns `PROPOSED_COLUMNS`, most passes first. `p_class` and `hit_rate_lo` are the lower
        of both directions, `hit_rate_hi` the higher, devices and days those of the better one.
    """
    found = _steady(clusters, bar=bar).sort_values("cluster_id", ignore_index=True)
    partner = _other_direction(found)
    rows = []
    for k, other in enumerate(partner.tolist()):  # what reaches the bar is little
        if other < 0 and found["class"][k] not in SPANNING:
            rows.append(_proposal(found.iloc[[k]]))
        elif other > k:
            rows.append(_proposal(found.iloc[[k, other]]))
    table = pd.DataFrame(rows, columns=list(PROPOSED_COLUMNS))
    if len(table) == 0:
        return table
    table = table.assign(**_nearest(table, obstacles))
    return table.sort_values(["passes", "id"], ascending=[False, True], ignore_index=True)


def _steady(clusters: pd.DataFrame, *, bar: Bar) -> pd.DataFrame:
    """The clusters that reach the bar, with `span_days` and `p_class`."""
    p = _class_p(clusters, OBSTACLES_FELT)
    first, last = clusters["first_seen_utc_ns"], clusters["last_seen_utc_ns"]
    span = np.where(first >= 0, (last - first) / NS_PER_DAY, 0.0)
    keep = (
        clusters["obstacle_id"].isna()
        & (p >= bar.class_p)
        & (clusters["n_devices"] >= bar.devices)
        & (clusters["passes"] >= bar.passes)
        & (clusters["hit_rate_lo"] >= bar.hit_rate_lo)
        & (span >= bar.span_days)
    )
    return clusters.assign(span_days=np.round(span, 1), p_class=p)[keep]


def _class_p(clusters: pd.DataFrame, classes: tuple[JoltClass, ...]) -> Floats:
    """Probability of each cluster's own class; 0 where that is none of `classes`."""
    return np.select(
        [clusters["class"] == c.value for c in classes],
        [clusters[f"p_{c.value}"] for c in classes],
        0.0,
    )


def _other_direction(found: pd.DataFrame) -> Ints:
    """For each row the row of the same class that is felt the other way, or -1; nearest first."""
    partner = np.full(len(found), -1)
    if len(found) < 2:
        return partner
    from scipy.spatial import cKDTree

    at = ecef_m(found["lat_deg"].to_numpy(), found["lon_deg"].to_numpy())
    error = found["pos_err_m"].to_numpy()
    pairs = cKDTree(at).query_pairs(PAIR_M + 4 * float(error.max()), output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    apart = np.linalg.norm(at[a] - at[b], axis=1)
    heading, kind = found["heading_deg"].to_numpy(), found["class"].to_numpy(object)
    keep = heading_difference_deg(heading[a], heading[b]) >= OPPOSITE_DEG
    keep &= (apart <= PAIR_M + 2 * np.hypot(error[a], error[b])) & (kind[a] == kind[b])
    for k in np.lexsort((b, a, apart)).tolist():
        if keep[k] and partner[a[k]] < 0 and partner[b[k]] < 0:
            partner[a[k]], partner[b[k]] = b[k], a[k]
    return partner


def _proposal(rows: pd.DataFrame) -> dict[str, object]:
    """One or two directions as one proposal."""
    lat, lon = rows["lat_deg"].to_numpy(), rows["lon_deg"].to_numpy()
    east = (lon - lon[0] + 540.0) % 360.0 - 180.0  # a pair may lie across the antimeridian
    at = (float(lat.mean()), float((lon[0] + east.mean() + 540.0) % 360.0 - 180.0))
    kind = str(rows["class"].iloc[0])
    number = int(bin_of(np.array([at[0]]), np.array([at[1]]))[0])
    return {
        "id": f"proposed-{kind}-{number:x}",
        "kind": kind,
        "lat_deg": round(at[0], 7),
        "lon_deg": round(at[1], 7),
        "pos_err_m": round(float(rows["pos_err_m"].max()), 2),
        "directions": len(rows),
        "hits": int(rows["hits"].sum()),
        "passes": int(rows["passes"].sum()),
        "hit_rate_lo": float(rows["hit_rate_lo"].min()),
        "hit_rate_hi": float(rows["hit_rate_hi"].max()),
        "devices": int(rows["n_devices"].max()),
        "days": int(rows["n_days"].max()),
        "span_days": float(rows["span_days"].max()),
        "p_class": float(rows["p_class"].min()),
        "severity": round(float(rows["severity"].mean()), 3),
        "first_day_utc": _day(int(rows["first_seen_utc_ns"].min())),
        "last_day_utc": _day(int(rows["last_seen_utc_ns"].max())),
        "clusters": " ".join(rows["cluster_id"]),
    }


def _day(t_utc_ns: int) -> str | None:
    """The UTC day of a time, YYYY-MM-DD; None for -1."""
    return None if t_utc_ns < 0 else str(np.datetime64(t_utc_ns // NS_PER_DAY, "D"))


def _nearest(table: pd.DataFrame, obstacles: pd.DataFrame) -> dict[str, object]:
    """The nearest listed obstacle of any class, its kind and how far it is."""
    if len(obstacles) == 0:
        return {"nearest_id": None, "nearest_kind": None, "nearest_m": np.nan}
    from scipy.spatial import cKDTree

    xy, owner = points_of(obstacles)
    tree = cKDTree(ecef_m(xy[:, 1], xy[:, 0]))
    apart, point = tree.query(ecef_m(table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy()))
    row = owner[point]
    return {
        "nearest_id": obstacles["obstacle_id"].to_numpy(object)[row],
        "nearest_kind": obstacles["kind"].to_numpy(object)[row],
        "nearest_m": np.round(apart, 1),
    }


# ------------------------------------------------------------------------------- doubts


def doubts(
    obstacles: pd.DataFrame,
    clusters: pd.DataFrame,
    bumps: pd.DataFrame,
    passes: pd.DataFrame,
    trips: pd.DataFrame,
    *,
    bar: Bar,
    settings: ClusterSettings,
) -> pd.DataFrame:
    """Listed obstacles that many cars drove over and did not feel, or felt as something else.

    Only what lies across the whole street must be felt: a casting that is flush is as it should
    be. What another listed obstacle explains says nothing about this one.

    Parameters
    ----------
    obstacles : DataFrame
        The rows of ``OBSTACLES`` that are asked about.
    clusters, bumps, passes, trips : DataFrame
        Their surroundings. A pass counts where it goes through the bin of an obstacle while that
        was in force; along a line only where it crosses it.

    Returns
    -------
    DataFrame
        Columns `DOUBT_COLUMNS`, most passes first. `felt` counts trips that jolted within reach.
    """
    known = obstacles.reset_index(drop=True)
    other = _felt_as_another(known, clusters, bar=bar, settings=settings)
    table = pd.DataFrame({**{n: known[n] for n in DOUBT_COLUMNS if n in known},
                          **_passed(known, bumps, passes, trips, settings=settings)})  # fmt: skip
    table = table.join(other)
    many = (table["devices"] >= bar.devices) & (table["passes"] >= bar.passes)
    silent = many & (table["felt_share_hi"] <= bar.felt_hi) & known["class"].isin(SPANNING)
    finding = table["finding"].where(~silent, "not felt")
    table = table.assign(finding=finding)[finding.notna()]
    return table.sort_values(["passes", "obstacle_id"], ascending=[False, True],
                             ignore_index=True)[list(DOUBT_COLUMNS)]  # fmt: skip


def _passed(
    known: pd.DataFrame,
    bumps: pd.DataFrame,
    passes: pd.DataFrame,
    trips: pd.DataFrame,
    *,
    settings: ClusterSettings,
) -> dict[str, object]:
    """For each obstacle the trips that drove over it, their devices, and how many felt it."""
    from scipy.special import betaincinv

    who = trips.set_index("trip_key")
    dated = passes["trip_key"].map(who["dated"]).to_numpy(dtype=np.bool_)
    day = np.where(dated, passes["t_utc_ns"].to_numpy() // NS_PER_DAY, -1)
    obstacle, row = _over(known, passes)
    keep = _stood(known, obstacle, day[row])
    obstacle, row = obstacle[keep], row[keep]
    visits = pd.DataFrame(
        {"obstacle": obstacle, "trip": passes["trip_key"].to_numpy()[row], "day": day[row]}
    ).groupby(["obstacle", "trip"], as_index=False)["day"].max()  # fmt: skip
    visits["device"] = visits["trip"].map(who["device"])
    jolted = _jolted(known, bumps, settings=settings)
    visits["felt"] = pd.MultiIndex.from_frame(visits[["obstacle", "trip"]]).isin(jolted)
    by = visits.groupby("obstacle")
    n = by.size().reindex(known.index, fill_value=0).to_numpy()
    felt = by["felt"].sum().reindex(known.index, fill_value=0).to_numpy(np.int64)
    last = by["day"].max().reindex(known.index, fill_value=-1).to_numpy()
    return {
        "passes": n,
        "devices": by["device"].nunique().reindex(known.index, fill_value=0).to_numpy(),
        "felt": felt,
        "felt_share_hi": np.round(betaincinv(felt + 0.5, n - felt + 0.5, 0.95), 4),
        "last_day_utc": pd.array([_day(d * NS_PER_DAY if d >= 0 else -1) for d in last.tolist()],
                                 dtype="str"),
    }  # fmt: skip


def _over(known: pd.DataFrame, passes: pd.DataFrame) -> tuple[Ints, Ints]:
    """Pairs of obstacle and pass through its bin; along a line only passes that cross it."""
    xy, owner = points_of(known)
    ahead = bearing_deg(xy[:-1, 1], xy[:-1, 0], xy[1:, 1], xy[1:, 0])
    same = owner[1:] == owner[:-1]
    course = np.full(len(owner), np.nan)
    course[1:][same] = ahead[same]
    course[:-1][same] = ahead[same]
    points = pd.DataFrame({"obstacle": owner, "bin": bin_of(xy[:, 1], _wrapped(xy[:, 0])),
                           "course": course}).drop_duplicates(["obstacle", "bin"])  # fmt: skip
    counted = np.flatnonzero(passes["weight"].to_numpy() > 0)
    driven = pd.DataFrame({"bin": passes["bin"].to_numpy()[counted], "row": counted,
                           "heading": passes["heading_deg"].to_numpy()[counted]})  # fmt: skip
    pairs = points.merge(driven, on="bin")
    turn = heading_difference_deg(pairs["heading"].to_numpy(), pairs["course"].to_numpy())
    along = np.minimum(turn, 180.0 - turn) < CROSSING_DEG  # never where there is no course
    pairs = pairs[~along]
    return pairs["obstacle"].to_numpy(np.int64), pairs["row"].to_numpy(np.int64)


def _wrapped(lon_deg: Floats) -> Floats:
    return (lon_deg + 180.0) % 360.0 - 180.0


def _stood(known: pd.DataFrame, obstacle: Ints, day: Ints) -> Bools:
    """Whether each obstacle stood on the day of a pass; on a day that nobody knows it did."""

    def number(name: str, otherwise: int) -> Ints:
        days = pd.to_datetime(known[name].astype("object"), format="%Y-%m-%d", errors="coerce")
        since = (days - pd.Timestamp("1970-01-01")).dt.days
        return since.fillna(otherwise).to_numpy(np.int64)[obstacle]

    far = 10**7
    return (day < 0) | ((number("valid_from", -far) <= day) & (day <= number("valid_to", far)))


def _jolted(
    known: pd.DataFrame, bumps: pd.DataFrame, *, settings: ClusterSettings
) -> pd.MultiIndex:
    """Pairs of obstacle and trip that jolted where that obstacle may be felt."""
    from scipy.spatial import cKDTree

    usable = bumps[bumps["lat_deg"].notna() & (bumps["score"] >= settings.min_score)]
    if len(usable) == 0:
        return pd.MultiIndex.from_arrays([[], []])
    xy, owner = points_of(known)
    near = cKDTree(ecef_m(usable["lat_deg"].to_numpy(), usable["lon_deg"].to_numpy()))
    pairs = near.sparse_distance_matrix(
        cKDTree(ecef_m(xy[:, 1], xy[:, 0])), settings.reach_m, output_type="coo_matrix"
    )
    obstacle, jolt = owner[pairs.col], pairs.row
    error = np.nan_to_num(usable["pos_err_m"].to_numpy(), nan=settings.reach_m)
    within = pairs.data <= felt_within_m(known, obstacle, error[jolt])
    trip = usable["trip_key"].to_numpy()[jolt]
    return pd.MultiIndex.from_arrays([obstacle[within], trip[within]])


def _felt_as_another(
    known: pd.DataFrame, clusters: pd.DataFrame, *, bar: Bar, settings: ClusterSettings
) -> pd.DataFrame:
    """Of each obstacle that no cluster of its class explains, the nearest sure one of another."""
    at = Centres(*(clusters[n].to_numpy() for n in
                   ("lat_deg", "lon_deg", "pos_err_m", "heading_deg")))  # fmt: skip
    found = match(at, known, reach_m=settings.reach_m)
    kind = clusters["class"].to_numpy(object)[found.cluster]
    own = kind == known["class"].to_numpy(object)[found.obstacle]
    felt = set(found.obstacle[own].tolist())
    best = _class_p(clusters, (JoltClass.POTHOLE, *OBSTACLES_FELT))
    sure = (
        (best >= bar.class_p)
        & (clusters["n_devices"] >= bar.devices)
        & (clusters["hit_rate_lo"] >= bar.hit_rate_lo)
        & clusters["obstacle_id"].isna()
    ).to_numpy()
    nearest: dict[int, int] = {}
    for k in np.argsort(found.distance_m, kind="stable").tolist():
        o, c = int(found.obstacle[k]), int(found.cluster[k])
        if sure[c] and o not in felt:
            nearest.setdefault(o, c)
    rows = list(nearest.values())
    picked = clusters.iloc[rows]
    return pd.DataFrame(
        {
            "finding": pd.array([f"felt as {c}" for c in picked["class"]], dtype="str"),
            "cluster_id": picked["cluster_id"].array,
            "p_class": best[rows],
            "hit_rate_lo": picked["hit_rate_lo"].array,
        },
        index=list(nearest),
    )  # fmt: skip
