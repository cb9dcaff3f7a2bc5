"""Fixtures: some rows and what a view makes of them, in a file whose diff shows what a change of a function changes."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from difflib import unified_diff
from pathlib import Path

import polars as pl

from feature_platform.compute.features.service import SPINE_TIME
from feature_platform.compute.transforms.unions import unite
from feature_platform.declarations.arguments import require_kind
from feature_platform.declarations.view import FeatureView, is_windowed
from feature_platform.ground.clock import length_of, shift_times
from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.testing.example_rows import END
from feature_platform.testing.values import make_up_rows_read, values_at

UPDATE = "UPDATE_FIXTURES"  # the environment variable that writes fixtures anew
_ROWS = 20
_LATER = "1h"  # after its event each key is asked


class FixtureDiffers(AssertionError):
    """A view says something else of the rows of its fixture than the file does."""

    def __init__(self, view: str, file: Path, diff: str) -> None:
        super().__init__(
            f"Feature view `{view}` says something else than {file}. Run it again with {UPDATE}=1 where that is meant, "
            f"and look at the diff of the file:\n{diff}"
        )


def check_fixture(
    view: FeatureView,
    file: str | os.PathLike[str],
    sources: Mapping[str, pl.DataFrame] | None = None,
) -> None:
    """Compare what a view says of some rows with a file, which is written when it is missing.

    The environment variable `UPDATE_FIXTURES` writes it anew.

    Args:
        file: lines of JSON: the rows of each source, then keys, moments and values. Keep it beside the tests.
        sources: rows of its source and of what enriches it, by name. Defaults to 20 rows of `example_frame`.

    Raises:
        FixtureDiffers: shows the lines that differ.
        InvalidDeclaration: it reads a windowed view, and `sources` does not have its rows.
    """
    require_kind("fp.testing.check_fixture", view, FeatureView, "a feature view")
    view = view.original
    place, text = Path(file), "".join(f"{line}\n" for line in _lines(view, sources))
    if not place.exists() or os.environ.get(UPDATE):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return
    kept = place.read_text(encoding="utf-8")
    if kept != text:
        diff = unified_diff(kept.splitlines(), text.splitlines(), "the file", "the view", lineterm="", n=0)
        raise FixtureDiffers(view.name, place, "\n".join(diff))


def _lines(view: FeatureView, sources: Mapping[str, pl.DataFrame] | None) -> Iterator[str]:
    """Yield a line for each row that is read, and one for each value that is made of them."""
    given = dict(sources) if sources is not None else _example_sources(view)
    for name, rows in given.items():
        for row in rows.iter_rows(named=True):
            yield _line({"source": name} | row)
    values = values_at(view, given, _questions(view, given)).collect()
    for row in values.iter_rows(named=True):
        yield _line({"view": view.name} | row)


def _example_sources(view: FeatureView) -> dict[str, pl.DataFrame]:
    read = view.inputs
    for each in read:
        if is_windowed(each):
            raise InvalidDeclaration(
                f"The fixture of feature view `{view.name}`",
                f"reads windows of `{each.name}`, of which no rows can be made up",
                f'Give the rows of its table: sources={{"{each.name}": ...}}.',
            )
    return {each.name: make_up_rows_read(view, each, _ROWS) for each in read}


def _questions(view: FeatureView, given: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the keys of some rows, each an hour after its event."""
    rows = unite(view.source, [given[each.name].lazy() for each in view.source.members]).collect()
    time = view.source.event_time
    moment = pl.lit(END) if time is None else shift_times(time, length_of(_LATER, "A fixture"))
    keys = [key for key in view.join_keys if key in rows.columns]
    return rows.select(*keys, moment.alias(SPINE_TIME)).unique(maintain_order=True).head(_ROWS)


def _line(row: Mapping[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False, default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)
