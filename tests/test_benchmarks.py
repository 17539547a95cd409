"""The measurements of cost still run."""

from __future__ import annotations

import re

import pytest

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
