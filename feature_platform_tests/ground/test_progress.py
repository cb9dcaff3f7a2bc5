"""Progress: what reporters are told, and what people see of it."""

import io
import sys
import time
from types import SimpleNamespace

import pytest

from feature_platform.ground import progress
from feature_platform.ground.progress import ProgressLines, count_steps, report_to


def test_every_step_is_told_and_the_last_one_once() -> None:
    told = []
    with report_to(lambda work, done, total: told.append((work, done, total))):
        assert list(count_steps(iter("abc"), "reading", 3)) == ["a", "b", "c"]
    assert told == [("reading", 0, 3), ("reading", 1, 3), ("reading", 2, 3), ("reading", 3, 3)]


def test_work_that_is_given_up_is_over_for_the_reporter_too() -> None:
    told = []

    def failing():
        yield 1
        raise ValueError("no more")

    with report_to(lambda work, done, total: told.append(done)), pytest.raises(ValueError, match="no more"):
        list(count_steps(failing(), "reading", 5))
    assert told[-1] == 5


def test_a_log_gets_a_line_from_time_to_time_and_none_for_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    lines: list[str] = []
    report = ProgressLines(lines.append, every=10.0)
    for done in range(1, 50):
        clock[0] += 1.0
        report("views/x: fetching values", done, 50)
    report("views/x: fetching values", 50, 50)
    report("short", 0, 2)
    report("short", 2, 2)
    assert lines == [f"views/x: fetching values: {done} of 50 done ({2 * done} %)" for done in (11, 21, 31, 41)]


def test_a_terminal_gets_a_bar_for_long_work_and_is_clean_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_SHORT", -1.0)
    monkeypatch.setenv("TERM", "xterm")
    progress._terminal_bar.cache_clear()
    assert list(count_steps("ab", "joining", 2)) == ["a", "b"]
    progress._terminal_bar.cache_clear()
    assert "joining" in terminal.getvalue()
    assert terminal.getvalue().rstrip().endswith("\x1b[2K\x1b[?25h")  # the bar is wiped


def test_a_notebook_gets_a_bar_below_its_cell_for_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.append(data)

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw
        assert display_id
        shown.append(data)
        return Handle()

    shell = SimpleNamespace(kernel=object())
    notebook = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress, "_SHORT", -1.0)

    assert list(count_steps("ab", "reading <x>", 2)) == ["a", "b"]

    assert [each["text/plain"] for each in shown] == [f"reading <x>: {done} of 2" for done in (0, 1, 2)]
    assert shown[0]["text/html"] == 'reading &lt;x&gt;: 0 of 2 <progress value="0" max="2"></progress>'


def test_nothing_is_written_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    list(count_steps("ab", "joining", 2))
    assert capsys.readouterr() == ("", "")
