"""What errors tell people to write is tried: after it the same thing works."""

import re
import tomllib
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import feature_platform as fp
from feature_platform.ground.errors import FeaturePlatformError, NotUtc, PackageMissing, WrongColumnType
from feature_platform_tests.shop import at

ROOT = Path(fp.__file__).parent.parent
PAIRS = pl.Series([[{"key": "a", "value": 1}], [], None])

CLOCKS = {
    "a date": pl.Series([date(2024, 1, 1)]),
    "a time without a zone": pl.Series([datetime(2024, 1, 1)]),
    "text without a zone": pl.Series(["2024-01-01 00:00:00"]),
    "text with a zone": pl.Series(["2024-01-01T01:00:00+01:00"]),
}
TYPES = {
    "nothing": pl.Series([None]),
    "a length of time": pl.Series([timedelta(hours=1)]),
    "a time of day": pl.Series([time(1)]),
    "a whole number of 128 bits": pl.Series([1], dtype=pl.Int128),
    "a time of another zone": pl.Series([at(0)]).dt.convert_time_zone("Asia/Tokyo"),
}


def told(error: FeaturePlatformError, column: str) -> list[pl.Expr]:
    """The expressions in the remedy of an error, for a column."""
    written = re.findall(r"`([.]\S[^`]*|pl[.][^`]*)`", str(error))
    assert written, str(error)
    code = [f"pl.col({column!r}){each}" if each.startswith(".") else each for each in written]
    return [eval(each, {"pl": pl}) for each in code]


def materialize(folder: Path, **columns: pl.Series) -> pl.DataFrame:
    read = fp.Source("events", fp.sources.Frame(pl.DataFrame(columns)), event_time="at")
    store = fp.OfflineStore(folder)
    fp.materialize(read, store)
    return store.read("sources/events").collect()


@pytest.mark.parametrize("kind", CLOCKS)
def test_a_remedy_for_a_clock_works(kind: str, tmp_path: Path) -> None:
    with pytest.raises(NotUtc) as refused:
        materialize(tmp_path, at=CLOCKS[kind])

    worked: list[Any] = []
    for remedy in told(refused.value, "at"):
        try:
            mended = CLOCKS[kind].alias("at").to_frame().select(remedy.alias("at")).to_series()
        except pl.exceptions.PolarsError:  # of text each form has a remedy of its own
            continue
        worked.append(materialize(tmp_path / str(len(worked)), at=mended)["at"].to_list())
    assert worked == [[at(0)]]


@pytest.mark.parametrize("kind", TYPES)
def test_a_remedy_for_a_type_works(kind: str, tmp_path: Path) -> None:
    clock = pl.Series([at(0)])
    with pytest.raises(WrongColumnType) as refused:
        materialize(tmp_path, at=clock, x=TYPES[kind])

    for n, remedy in enumerate(told(refused.value, "x")):
        mended = TYPES[kind].alias("x").to_frame().select(remedy.alias("x")).to_series()
        assert materialize(tmp_path / str(n), at=clock, x=mended).height == 1


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (pl.Series([1.5, None], dtype=pl.Float16), pl.Series([1.5, None], dtype=pl.Float32)),
        (
            pl.Series([[{"key": "a", "value": 1}], None]).cast(pl.Map(pl.String, pl.Int64)),
            pl.Series([[{"key": "a", "value": 1}], None]),
        ),
        (
            pl.Series([[[{"key": "a", "value": 1}]], []]).cast(pl.List(pl.Map(pl.String, pl.Int64))),
            pl.Series([[[{"key": "a", "value": 1}]], []]),
        ),
    ],
    ids=["float16", "map", "list of maps"],
)
def test_what_can_be_stored_without_loss_is(given: pl.Series, stored: pl.Series, tmp_path: Path) -> None:
    found = materialize(tmp_path, at=pl.Series([at(0), at(1)]), x=given)["x"]
    assert found.dtype == stored.dtype
    assert found.to_list() == stored.to_list()


def test_a_package_that_is_missing_is_named_as_pip_takes_it() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    code = "\n".join(path.read_text() for path in (ROOT / "feature_platform").rglob("*.py"))
    made = re.findall(r'PackageMissing\([^,]+, "([^"]+)", "([^"]+)"\)', code)

    assert len(made) >= 3
    for package, extra in made:
        assert any(each.startswith(f"{package}>") for each in extras[extra]), (package, extra)
    assert "`pip install 'apprise'`" in str(PackageMissing("A channel", "apprise", "alerts"))
