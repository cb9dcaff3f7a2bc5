"""Frames of other libraries where users give frames: spines, entities, sources, comparisons."""

import datetime as dt
import sys
from types import ModuleType

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import feature_platform as fp
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.frames import as_polars
from feature_platform_tests.shop import at, daily, last_order, source, spine

ASKED = spine(("ann", at(3)), ("bob", at(4)), (None, at(4)))


class Arrow:
    """What a table of another library is to us: an Arrow stream, and nothing else."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def pandas_of(frame: pl.DataFrame) -> pd.DataFrame:
    """The same rows in pandas, with an index that means nothing."""
    columns = {
        name: pd.to_datetime(frame[name].to_list(), utc=True)
        if dtype == ASKED.schema["event_timestamp"]
        else list(frame[name])
        for name, dtype in frame.schema.items()
    }
    return pd.DataFrame(columns, index=range(7, 7 + frame.height))


FORMS = {"arrow": Arrow, "pandas": pandas_of, "columns": lambda frame: frame.to_dict(as_series=False)}


@pytest.fixture(autouse=True)
def _no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform does not bring pyarrow, so nothing here may need it."""
    missing: ModuleType | None = None
    monkeypatch.setitem(sys.modules, "pyarrow", missing)


@pytest.mark.parametrize("form", FORMS)
def test_a_spine_of_another_library_is_joined_like_one_of_polars(form: str, tmp_path) -> None:
    store, view = fp.OfflineStore(tmp_path / "store"), last_order(source(daily()))
    fp.materialize(view, store)
    asked = FORMS[form](ASKED)

    found = fp.historical_features(view, asked, store).collect()

    assert_frame_equal(found, fp.historical_features(view, ASKED, store).collect())
    assert "last_amount" in str(fp.explain(view, asked, store))
    declared = fp.TrainingSet("t", service=fp.FeatureService("s", [view]), spine=asked)
    assert_frame_equal(fp.build_training_set(declared, store).rows.collect(), found.select(declared_order(found)))
    assert_frame_equal(fp.testing.values_at(view, {"orders": daily()}, asked).collect(), found)


def declared_order(found: pl.DataFrame) -> list[str]:
    """The columns in the order in which a source stores them: its clock first."""
    return ["event_timestamp", *(name for name in found.columns if name != "event_timestamp")]


@pytest.mark.parametrize("form", FORMS)
def test_entities_and_compared_frames_of_another_library_are_taken(form: str, tmp_path) -> None:
    store, view = fp.OfflineStore(tmp_path / "store"), last_order(source(daily()))
    fp.materialize(view, store)
    online = fp.online.Lmdb(tmp_path / "online")
    fp.publish(view, store, online, now=at(9))
    asked = pl.DataFrame({"customer": ["ann", "eve"]})

    assert_frame_equal(
        fp.online_features(view, FORMS[form](asked), online, now=at(9)),
        fp.online_features(view, asked, online, now=at(9)),
    )
    numbers = pl.DataFrame({"x": [float(n) for n in range(200)]})
    scores = fp.drift_scores(FORMS[form](numbers), FORMS[form](numbers + 100))
    assert_frame_equal(scores, fp.drift_scores(numbers, numbers + 100))
    assert_frame_equal(fp.sources.Frame(FORMS[form](numbers)).scan("numbers").collect(), numbers)


NY = "America/New_York"
COLUMNS = {
    "text": (["x", None], ["x", None], pl.String),
    "old text": (pd.Series(["x", None], dtype=object), ["x", None], pl.String),
    "numbers": ([1, 2], [1, 2], pl.Int64),
    "small numbers": (pd.array([1, 2], dtype="uint8"), [1, 2], pl.UInt8),
    "numbers and nothing": (pd.array([2**62 + 1, None], dtype="Int64"), [2**62 + 1, None], pl.Int64),
    "floats": ([1.5, float("nan")], [1.5, None], pl.Float64),
    "floats and nothing": (pd.array([1.5, None], dtype="Float64"), [1.5, None], pl.Float64),
    "flags": (pd.array([True, None], dtype="boolean"), [True, None], pl.Boolean),
    "categories": (pd.Categorical(["a", None]), ["a", None], pl.String),
    "days": ([dt.date(2024, 1, 1), None], [dt.date(2024, 1, 1), None], pl.Date),
    "naive times": (pd.to_datetime(["2024-01-01", None]), [dt.datetime(2024, 1, 1), None], pl.Datetime("us")),
    "times": (pd.to_datetime(["2024-01-01", None], utc=True), [at(0), None], pl.Datetime("us", "UTC")),
    "times elsewhere": (
        pd.to_datetime(["2024-01-01", None], utc=True).tz_convert(NY),
        [at(0), None],
        pl.Datetime("us", NY),
    ),
    "times at an offset": (pd.to_datetime(["2024-01-01T01:00+01:00", None]), [at(0), None], pl.Datetime("us", "UTC")),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_of_pandas_keeps_its_values_and_its_type(column: str) -> None:
    given, expected, dtype = COLUMNS[column]

    found = as_polars(pd.DataFrame({"a": given}), "The spine").lazy().collect()["a"]

    assert found.to_list() == expected
    assert found.dtype == dtype


REFUSED = {
    "a list": ([1], "The spine is a list"),
    "a text": ("x", "The spine is a str"),
    "columns of two lengths": ({"a": [1], "b": [1, 2]}, "cannot be taken as a frame"),
    "values of two types": (pd.DataFrame({"a": [1, "x"]}), "the column `a` of pandas' object"),
    "a column without a name": (pd.DataFrame({1: [1]}), "the column 1, which is no text"),
    "two columns of one name": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "the column 'a' twice"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_frame_is_refused_in_one_sentence(what: str) -> None:
    given, words = REFUSED[what]
    with pytest.raises(InvalidDeclaration) as refused:
        as_polars(given, "The spine")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
