"""The measurements of cost still run."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks import clustering
from benchmarks.detection import made_csv, main, with_all_digits
from streetbump.trips import ReadOptions, read


def test_detection_is_measured_beside_parsing(capsys: pytest.CaptureFixture[str]) -> None:
    """Both ratios are printed for both spellings of one drive, each with interval and rounds."""
    main(["--minutes", "1", "--rate-hz", "20", "--rounds", "2"])
    said = capsys.readouterr().out
    found = re.findall(
        r"^(three decimals|all digits): (detection|bytes to jolts): "
        r"[0-9.]+ \[[0-9.]+, [0-9.]+\] times (?:pandas|pyarrow), n = 2$",
        said, flags=re.MULTILINE,
    )  # fmt: skip
    assert found == [
        (digits, thing)
        for digits in ("three decimals", "all digits")
        for thing in ("detection", "bytes to jolts")
    ]


def test_both_spellings_are_one_drive() -> None:
    """All digits make the file longer, and the drive not another one."""
    short = made_csv(minutes=1, rate_hz=20)
    long = with_all_digits(short)
    (a,), (b,) = (
        read(data, name="", options=ReadOptions(), pseudonym=str) for data in (short, long)
    )
    assert len(long) > 1.3 * len(short)
    assert abs(a.acc - b.acc).max() <= 6
    assert (a.t_ns == b.t_ns).all()
    assert (a.lat_e7 == b.lat_e7).all()


def test_clustering_is_measured_beside_its_peers(capsys: pytest.CaptureFixture[str]) -> None:
    """Each peer that is there, by both clocks; loudly that the C++ package is not; the growth."""
    clustering.main(["--sizes", "500", "1000", "--rounds", "2"])
    said = capsys.readouterr().out
    number = r"-?[0-9.]+ \[-?[0-9.]+, -?[0-9.]+\]"
    found = re.findall(
        rf"^(500|1000) jolts, (processor|wall): {number} times ([a-z-]+), wanted [0-9.]+, n = 2$",
        said, flags=re.MULTILINE,
    )  # fmt: skip
    peers = ["scikit-learn", *(["dbscan"] if clustering.has_package() else [])]
    assert sorted(found) == sorted(
        (n, clock, peer) for n in ("500", "1000") for clock in clustering.CLOCKS for peer in peers
    )
    assert ("NOT MEASURED" in said) != clustering.has_package()
    assert re.search(rf"^time grows with n\^{number}, wanted 1\.1, n = 2$", said, re.MULTILINE)


def test_a_made_city_is_as_dense_whatever_its_size() -> None:
    """Four times the jolts are on four times the land, and as many to a trip."""
    for n in (4_000, 16_000):
        at = clustering.metres(clustering.made_city(n))
        area_km2 = float(np.prod(np.quantile(at, 0.99, axis=0) - np.quantile(at, 0.01, axis=0)))
        assert n / (area_km2 / 1e6) == pytest.approx(clustering.PER_KM2, rel=0.15)
