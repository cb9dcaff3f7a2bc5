"""The files of a new project, as texts."""

import json
import random
from collections.abc import Mapping
from datetime import datetime

from feature_platform.cli.starting.guess import Guess, day_after, plain_name
from feature_platform.ground.clock import microseconds, partition_start, shift_moment

_CUSTOMERS = ("ann", "bob", "eve", "joe")
_DAYS = 30
_MINUTE = 60_000_000  # microseconds


def sample_orders(now: datetime) -> str:
    """Return a month of orders up to yesterday, as CSV: the same for the same day."""
    draw = random.Random(7)  # noqa: S311 - made-up rows
    begin = shift_moment(partition_start(now, "daily"), -microseconds(f"{_DAYS}d", "The sample"))
    lines = ["customer,at,amount"]
    for day in range(_DAYS):
        for customer in _CUSTOMERS:
            if draw.random() < 0.7:
                at = shift_moment(begin, (day * 24 * 60 + draw.randrange(24 * 60)) * _MINUTE)
                lines.append(f"{customer},{at:%Y-%m-%dT%H:%M:%SZ},{draw.randrange(500, 9000) / 100}")
    return "\n".join(lines) + "\n"


def files_of(module: str, guess: Guess, place: str) -> Mapping[str, str]:
    """Return the files of a project, by name.

    Args:
        module: the name of its module.
        place: how the module writes the path of the data.
    """
    return {
        f"{module}.py": _declarations(module, guess, place),
        "definitions.py": _DEFINITIONS.format(module=module),
        "dagster.yaml": _DAGSTER,
        "pyproject.toml": _SETTINGS.format(module=module),
        f"test_{module}.py": _test(module, guess),
        "README.md": _README.format(
            module=module, key=plain_name(guess.key), now=f"{day_after(guess.last):%Y-%m-%dT%H:%M}"
        ),
        ".gitignore": "store/\n.dagster/\n.venv/\n__pycache__/\n",
    }


def _declarations(module: str, guess: Guess, place: str) -> str:
    key, clock, value = plain_name(guess.key), plain_name(guess.clock), plain_name(guess.value) if guess.value else None
    sums = f'fp.Sum("{value}", windows=["1d", "7d"]), ' if value else ""
    least = min(guess.lowest, 0.0)
    ranges = (
        f'        fp.Expect("expect_column_values_to_be_between", column="{value}", min_value={least!r}, '
        'severity="warning"),\n'
        if value
        else ""
    )
    return _MODULE.format(
        module=module,
        start=f"{guess.first:%Y-%m-%d}",
        end=f"{day_after(guess.last):%Y-%m-%d}",
        key=key,
        connector=guess.connector,
        place=place,
        clock=clock,
        rename=f".rename({json.dumps(dict(guess.new_names), ensure_ascii=False)})" if guess.new_names else "",
        reading=guess.reading,
        sums=sums,
        ranges=ranges,
        next_sums=f'fp.Sum("{value}", windows=["1d"]), ' if value else "",
        immature="" if guess.last > day_after(day_after(guess.first)) else ', immature="keep"',  # some label is final
    )


def _test(module: str, guess: Guess) -> str:
    value = f', "{plain_name(guess.value)}": [3.0]' if guess.value else ""
    return _TEST.format(module=module, key=plain_name(guess.key), clock=plain_name(guess.clock), value=value)


_MODULE = '''"""The declarations of {module}: where the data is, whose it is, and what is known of it."""

from pathlib import Path

import polars as pl

import feature_platform as fp

# Leave out `end` for data that goes on: the newest day that has ended is then the last.
partitions = fp.Partitions("daily", start="{start}", end="{end}")
entity = fp.Entity("{key}", join_keys=["{key}"])


def with_times(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Rows, each at its instant in UTC."""
    return raw{rename}.with_columns(pl.col("{clock}"){reading})


events = fp.Source(
    "events",
    fp.sources.{connector}({place}),
    event_time="{clock}",
    prepare=with_times,
    expectations=[
        fp.Expect("expect_column_values_to_not_be_null", column="{key}"),
{ranges}    ],
)


@fp.feature_view(
    entity=entity,
    source=events,
    aggregations=[{sums}fp.Count(windows=["7d"])],
    cadence=fp.Cadence(every="1d"),
)
def activity(events: pl.LazyFrame) -> pl.LazyFrame:
    """What happened in the last seven days."""
    return events


@fp.label(entity=entity, source=events, aggregations=[{next_sums}fp.Count(windows=["1d"])])
def next_day(events: pl.LazyFrame) -> pl.LazyFrame:
    """What happens in the day to come."""
    return events


daily = fp.Spine.every_key("daily", source=events, entity=entity, every="1d", active="7d")
recent = fp.FeatureService("recent", features=[activity])
training = fp.TrainingSet("next_day", service=recent, spine=daily, label=next_day{immature})
'''

_DEFINITIONS = '''"""The Dagster code location: `dagster dev -m definitions`."""

import feature_platform as fp
import {module}

defs = fp.definitions({module})
'''

_SETTINGS = """[tool.feature_platform]
project = "{module}"
root = "store"
"""

_DAGSTER = """# What Dagster remembers lies in .dagster/; see "Settings and storage" in the documentation.
telemetry:
  enabled: false

storage:
  custom:
    module: feature_platform.orchestration.event_log
    class: SqliteStorage
    config:
      base_dir: .dagster/storage

concurrency:
  runs:
    max_concurrent_runs: 1
"""

_TEST = '''"""What the features of {module} say of rows that are written out here."""

from datetime import datetime, timezone

import polars as pl

import feature_platform as fp
from {module} import activity

FIRST = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
ASKED = datetime(2024, 5, 2, 12, tzinfo=timezone.utc)


def test_what_was_seen_yesterday_counts_today() -> None:
    rows = pl.DataFrame({{"{key}": ["a"], "{clock}": [FIRST]{value}}})
    questions = pl.DataFrame({{"{key}": ["a", "b"], "event_timestamp": [ASKED, ASKED]}})

    found = fp.testing.values_at(activity, {{"events": rows}}, questions).collect()

    assert found["count_7d"].to_list() == [1, 0]
'''

_README = """# {module}

Features of `{key}`, declared in `{module}.py`.

```console
feature-platform materialize        # compute and publish all tables, below store/
feature-platform publish            # bring the newest values online
feature-platform serve --now {now}  # serve them on http://127.0.0.1:6566; leave out --now for data of today
```

`feature-platform status` says what is not up to date, `dagster dev -m definitions` opens the UI (with
`DAGSTER_HOME="$PWD"`), `pytest` runs the test.
"""
