"""Metrics of several workers: added up over workers that run and are gone, whatever becomes of their folder."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from feature_platform.server.logs import configure
from feature_platform.server.metrics import Metrics
from feature_platform.server.shared_metrics import metrics_folder


def worker(folder: Path, requests: int) -> Metrics:
    metrics = Metrics(folder)
    for number in range(requests):
        metrics.tally("/push").add(200, 0.0003 * (1 + number))
    metrics.share()
    return metrics


def values(metrics: Metrics) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_workers_are_added_up_and_one_that_is_gone_still_counts(tmp_path: Path) -> None:
    alone = Metrics()
    for requests in (3, 2):
        for number in range(requests):
            alone.tally("/push").add(200, 0.0003 * (1 + number))
    worker(tmp_path, 3)
    found, wanted = values(worker(tmp_path, 2)), values(alone)
    assert found == pytest.approx({name: value for name, value in wanted.items() if not name[0].endswith("_created")})
    assert found["feature_platform_requests_total", ""] == 5.0
    assert found["feature_platform_request_seconds_bucket", "+Inf"] == 5.0


def test_of_a_gauge_the_last_value_counts(tmp_path: Path) -> None:
    first, second = worker(tmp_path, 0), worker(tmp_path, 0)
    first.set_spooled(7, 0)
    first.share()
    second.set_spooled(4, 1)
    second.share()
    third = worker(tmp_path, 0)
    assert values(second)["feature_platform_spooled_pushes", ""] == 4.0
    assert values(second)["feature_platform_pushes_set_aside", ""] == 1.0
    third.set_spooled(2, 1)
    assert values(third)["feature_platform_spooled_pushes", ""] == 2.0


def test_a_folder_that_somebody_removed_is_there_again_a_second_later(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    one, two = worker(folder, 3), worker(folder, 2)
    shutil.rmtree(folder)
    assert values(two)["feature_platform_requests_total", ""] == 2.0
    one.share()
    assert values(two)["feature_platform_requests_total", ""] == 5.0


def test_a_disk_that_refuses_is_said_once_and_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    configure()
    folder = tmp_path / "metrics"
    folder.write_text("in the way")
    one = worker(folder, 3)
    one.share()
    assert values(one)["feature_platform_requests_total", ""] == 3.0
    lines = [line for line in capfd.readouterr().err.splitlines() if "cannot be written" in line]
    assert [json.loads(line)["level"] for line in lines] == ["error"]
    folder.unlink()
    one.share()
    assert values(worker(folder, 1))["feature_platform_requests_total", ""] == 4.0


def test_a_file_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    worker(tmp_path, 3)
    [file] = tmp_path.glob("*.json")
    file.write_bytes(file.read_bytes()[:100])
    assert values(worker(tmp_path, 2))["feature_platform_requests_total", ""] == 2.0


def test_servers_keep_their_metrics_with_their_state_and_remove_what_killed_ones_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # as with a TMPDIR that was cleaned
    left = tmp_path / "metrics" / "1-dead"
    left.mkdir(parents=True)
    (left / "server.lock").touch()
    with metrics_folder(tmp_path) as one, metrics_folder(tmp_path) as other:
        assert not left.exists()
        assert {each.name for each in (tmp_path / "metrics").iterdir()} == {one.name, other.name}
    assert list((tmp_path / "metrics").iterdir()) == []


def test_a_server_starts_where_its_state_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("in the way")
    with metrics_folder(tmp_path) as folder:
        assert values(worker(folder, 2))["feature_platform_requests_total", ""] == 2.0
