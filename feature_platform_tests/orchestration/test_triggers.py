"""What a sensor launches: against a naive model, over random stories of what can happen to runs, cursors and data."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.ground.clock import microsecond_of, microseconds
from feature_platform.orchestration.batches import ATTEMPTS, MOST_BATCHES, Batch, has_ended, plan_batches, select_ended
from feature_platform.orchestration.triggers import Attempt, Cursor, Decision, decide_launches, parse_cursor
from feature_platform_tests.effort import tries

GRID = fp.Partitions("daily", start="2024-03-01", end="2024-04-30")
DAYS = GRID.keys()
MINUTE = 60_000_000
ASSETS = ("a", "b", "whole")
ITEMS = [*((asset, key) for asset in "ab" for key in DAYS[:4]), ("whole", "")]
EVERY = "1h"


@dataclass
class World:
    """Tables, runs and a clock, and what a naive reader of the rules remembers of failed work."""

    content: dict[tuple[str, str], str] = field(default_factory=dict)
    done: dict[tuple[str, str], str] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    cursor: Cursor = field(default_factory=Cursor)
    runs: list[Batch] = field(default_factory=list)
    now: int = 1_700_000_000_000_000
    tried: dict[tuple[str, str], tuple[str, int, int | None]] = field(default_factory=dict)
    together: bool = False

    def due(self, assets: set[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {asset: {} for asset in assets}
        for (asset, key), content in self.content.items():
            if asset in assets and self.done.get((asset, key)) != content:
                found[asset][key] = content
        return found

    def tick(self) -> Decision | None:
        """One tick; what is launched is what the rules say of what was looked at."""
        if self.runs:
            return None
        newest = dict(self.events)
        looked_at = self.cursor.assets_to_check(ASSETS, newest, self.now, EVERY)
        due = self.due(looked_at)
        decision = decide_launches(self.cursor, due, looked_at, GRID, self.now, together=self.together)
        expected = self.expected({(asset, key): why for asset, of in due.items() for key, why in of.items()})
        assert {item for each in decision.launches for item in each.batch.items} == expected
        for each in decision.launches:
            self.check_range(each.batch)
        self.now_tried(expected)
        looked = self.now if looked_at == set(ASSETS) else self.cursor.looked
        kept = parse_cursor(decision.cursor.with_events(newest, looked).as_json())
        assert kept is not None
        held = [(asset, key) for each in kept.launched for asset, of in each.items.items() for key in of]
        assert len(held) == len({*held})
        self.cursor, self.runs = kept, [each.batch for each in decision.launches]
        return decision

    def expected(self, due: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
        found = set()
        for item, why in due.items():
            content, number, over = self.tried.get(item, (why, 0, None))
            if content != why:
                del self.tried[item]
                content, number, over = why, 0, None
            if number and over is None:
                over = self.now
                self.tried[item] = (content, number, over)
            wait = microseconds("2m", "") * 2 ** (number - 1) if number else 0
            if number < ATTEMPTS and self.now >= (over or 0) + wait:
                found.add(item)
        return found

    def now_tried(self, launched: set[tuple[str, str]]) -> None:
        for item in launched:
            number = self.tried.get(item, ("", 0, None))[1]
            self.tried[item] = (self.content[item], number + 1, None)

    def check_range(self, batch: Batch) -> None:
        """A run of assets that do not read each other has exactly what is due; any other has all that is due."""
        keys = [] if batch.first is None or batch.last is None else [k for k in DAYS if batch.first <= k <= batch.last]
        run = {(asset, key) for asset in batch.assets for key in (keys if asset != "whole" else [""])}
        assert run >= batch.items if self.together else run == batch.items

    def end_run(self, how: str) -> None:
        batch = self.runs.pop(0)
        for item in batch.items:
            if how == "succeed":
                assert self.done.get(item) != self.content[item], "done twice"
                self.done[item] = self.content[item]
                self.tried.pop(item, None)


def play(world: World, step: tuple[str, int, str]) -> None:
    action, number, content = step
    item = ITEMS[number % len(ITEMS)]
    if action in ("write", "write unseen"):
        world.content[item] = content
        world.events[item[0]] += action == "write"
    elif action == "tick":
        world.tick()
    elif action == "wait":
        world.now += number * MINUTE
    elif action == "forget":
        world.cursor = parse_cursor("nonsense") or Cursor()
        world.tried = {}
    elif world.runs:
        world.end_run(action)


steps = st.tuples(
    st.sampled_from(["write", "write", "write unseen", "tick", "tick", "tick", "wait", "succeed", "fail", "forget"]),
    st.integers(0, 30),
    st.sampled_from("xyz"),
)


@given(st.lists(steps, max_size=60), st.booleans())
@settings(max_examples=tries(300))
def test_whatever_happens_everything_is_done_in_the_end_and_nothing_twice(
    story: list[tuple[str, int, str]], together: bool
) -> None:
    world = World(together=together)
    for step in story:
        play(world, step)
    for _ in range(4):  # an hour later each, so that waits are over and all assets are looked at
        while world.runs:
            world.end_run("succeed")
        world.now += 61 * MINUTE
        decision = world.tick()
    assert decision is not None
    left = {(asset, key) for asset, of in world.due(set(ASSETS)).items() for key in of}
    assert left == {(asset, key) for asset, keys in decision.given_up.items() for key in keys}
    assert all(world.tried[item][:2] == (world.content[item], ATTEMPTS) for item in left)

    world.cursor, world.tried = Cursor(), {}
    world.tick()
    while world.runs:
        world.end_run("succeed")
    assert not any(world.due(set(ASSETS)).values())


def test_a_failed_run_is_tried_three_times_with_a_doubling_wait_and_new_content_begins_anew() -> None:
    world = World(content={("a", DAYS[0]): "x"}, events=Counter(a=1))
    launched = []
    for minute in range(30):
        if world.tick() and world.runs:
            launched.append(minute)
            world.end_run("fail")
        world.now += MINUTE
    decision = world.tick()

    assert launched == [0, 3, 8]  # seen to be over a minute later, then 2 and 4 minutes
    assert decision is not None
    assert decision.given_up == {"a": [DAYS[0]]}
    world.content["a", DAYS[0]] = "y"
    world.events["a"] += 1
    decision = world.tick()
    assert decision is not None
    assert (len(decision.launches), decision.given_up) == (1, {})


def test_what_was_given_up_does_not_hold_up_anything_else() -> None:
    old = Attempt(ATTEMPTS, 1, {"a": {DAYS[0]: digest("x")}})
    decision = decide_launches(
        Cursor(launched=(old,)), {"a": {DAYS[0]: "x", DAYS[1]: "x"}}, ["a"], GRID, 2, together=False
    )
    assert [each.batch.items for each in decision.launches] == [{("a", DAYS[1])}]
    assert decision.given_up == {"a": [DAYS[0]]}


def digest(content: str) -> str:
    [attempt] = decide_launches(Cursor(), {"a": {DAYS[0]: content}}, ["a"], GRID, 0, together=False).cursor.launched
    return attempt.items["a"][DAYS[0]]


def test_a_tick_that_is_repeated_asks_for_the_same_and_other_content_or_attempts_for_something_else() -> None:
    def keys(cursor: Cursor, content: str) -> list[str]:
        decision = decide_launches(cursor, {"a": dict.fromkeys(DAYS[:3], content)}, ["a"], GRID, 10**15, together=False)
        return [each.key for each in decision.launches]

    failed = Cursor(launched=(Attempt(1, 0, {"a": dict.fromkeys(DAYS[:3], digest("x"))}),))
    assert keys(Cursor(), "x") == keys(Cursor(), "x")
    assert len({keys(Cursor(), "x")[0], keys(Cursor(), "y")[0], keys(failed, "x")[0]}) == 3


def test_assets_that_read_each_other_share_a_run_for_all_that_is_due_of_neighbouring_partitions() -> None:
    items = dict.fromkeys([("a", DAYS[0]), ("b", DAYS[0]), ("b", DAYS[1]), ("a", DAYS[5]), ("whole", "")], 1)
    assert [(each.assets, each.first, each.last) for each in plan_batches(items, GRID, together=True)] == [
        (("a", "b"), DAYS[0], DAYS[1]),
        (("a", "whole"), DAYS[5], DAYS[5]),
    ]


def test_assets_of_their_own_share_a_run_only_for_the_same_partitions() -> None:
    items = dict.fromkeys([("a", DAYS[0]), ("a", DAYS[1]), ("b", DAYS[0]), ("c", DAYS[0]), ("whole", "")], 1)
    assert [(each.assets, each.first, each.last) for each in plan_batches(items, GRID, together=False)] == [
        (("b", "c"), DAYS[0], DAYS[0]),
        (("a", "whole"), DAYS[0], DAYS[1]),
    ]
    assert [each.assets for each in plan_batches({("whole", ""): 1}, GRID, together=False)] == [("whole",)]


def test_the_last_attempt_of_a_partition_is_a_run_of_its_own() -> None:
    items = {
        ("a", DAYS[0]): 1,
        ("a", DAYS[1]): 1,
        ("a", DAYS[2]): ATTEMPTS,
        ("a", DAYS[3]): ATTEMPTS,
        ("a", DAYS[4]): 1,
    }
    ranges = [(each.first, each.last) for each in plan_batches(items, GRID, together=False)]
    assert ranges == [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[2]), (DAYS[3], DAYS[3]), (DAYS[4], DAYS[4])]
    [whole] = plan_batches(items, GRID, together=True)
    assert (whole.first, whole.last) == (DAYS[0], DAYS[4])


@pytest.mark.parametrize("together", [False, True])
def test_a_tick_has_so_many_runs_and_the_next_one_goes_on_without_skipping_any(together: bool) -> None:
    apart = DAYS[::2]
    world = World(content={("a", key): "x" for key in apart} | {("whole", ""): "x"}, together=together)
    sizes = []
    for _ in range(3):
        looked_at = world.cursor.assets_to_check(ASSETS, {}, world.now, EVERY)
        decision = decide_launches(world.cursor, world.due(looked_at), looked_at, GRID, world.now, together=together)
        world.cursor, world.runs = decision.cursor.with_events({}, world.now), [e.batch for e in decision.launches]
        sizes.append(len(world.runs))
        while world.runs:
            world.end_run("succeed")
    assert sizes == [MOST_BATCHES, len(apart) - MOST_BATCHES, 0]
    assert world.done == world.content


def test_only_partitions_of_the_project_that_have_ended_can_be_run() -> None:
    now = microsecond_of(GRID.bounds(DAYS[2])[0]) + MINUTE
    due = {"a": {DAYS[1]: "x", DAYS[2]: "x", "2023-01-01": "x", "no key": "x"}, "whole": {"": "x"}, "b": {DAYS[2]: "x"}}
    assert select_ended(due, GRID, now) == {"a": {DAYS[1]: "x"}, "whole": {"": "x"}}
    assert has_ended(DAYS[2], GRID, microsecond_of(GRID.bounds(DAYS[2])[1]))


@pytest.mark.parametrize("text", ["", "7", "{}x", '{"version": 2}', '{"version": 1, "seen": [1]}', '"monitor"', "null"])
def test_a_cursor_of_somebody_else_is_told_from_ours(text: str) -> None:
    assert parse_cursor(text) is None


def test_a_cursor_forgets_assets_that_the_project_has_no_more() -> None:
    both = {"a": {"": "1"}, "gone": {"": "1"}}
    cursor = Cursor(seen={"a": 1, "gone": 2}, waiting=("a", "gone"), launched=(Attempt(1, None, both),))
    kept = Cursor(seen={"a": 1}, waiting=("a",), launched=(Attempt(1, None, {"a": {"": "1"}}),))
    assert cursor.keep_assets(["a"]) == kept
    assert cursor.keep_assets(["b"]) == Cursor()
