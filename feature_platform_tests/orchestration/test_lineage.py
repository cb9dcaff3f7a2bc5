"""The sensor that sends lineage: it is there when it is configured, runs send nothing, and it keeps its place."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from feature_platform.ground.errors import InvalidDeclaration, LineageUnsent, PackageMissing
from feature_platform.lineage import configuration
from feature_platform.orchestration.code_location import code_location
from feature_platform.orchestration.lineage import SEND
from feature_platform.settings import Settings
from feature_platform_tests.lineage.published import faults_of
from feature_platform_tests.lineage.servers import Marquez, closed, enter_bare_folder, marquez
from feature_platform_tests.orchestration.conftest import Bench
from feature_platform_tests.orchestration.shop import orders, shop

DAY = "2024-03-01"


@pytest.fixture(autouse=True)
def nothing_else_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_bare_folder(tmp_path, monkeypatch)


def definitions(bench: Bench, address: str, **words: Any) -> dg.Definitions:
    lineage = {"transport": {"type": "http", "url": address}, "timeout": 1, **words}
    return code_location(shop(orders()), Settings(root=str(bench.root), lineage=lineage))


def sensors(location: dg.Definitions) -> dict[str, Any]:
    return {each.name: each for each in location.get_repository_def().sensor_defs}


def tick(location: dg.Definitions, bench: Bench, cursor: str | None) -> Any:
    """One evaluation of the sensor, as the daemon makes it."""
    context = dg.build_sensor_context(
        instance=bench.instance, cursor=cursor, resources={"offline_store": bench.store}, sensor_name=SEND
    )
    return sensors(location)[SEND].evaluate_tick(context)


def run(location: dg.Definitions, bench: Bench) -> dg.ExecuteInProcessResult:
    """A run of the source, for one day, in Dagster."""
    job = location.resolve_implicit_global_asset_job_def()
    tags = {"dagster/asset_partition_range_start": DAY, "dagster/asset_partition_range_end": DAY}
    done = job.execute_in_process(
        instance=bench.instance, asset_selection=[dg.AssetKey(["sources", "orders"])], tags=tags
    )
    assert done.success
    return done


def test_the_sensor_is_there_when_it_is_configured_and_off(bench: Bench) -> None:
    assert SEND not in sensors(bench.definitions(shop(orders())))
    sensor = sensors(definitions(bench, "http://127.0.0.1:1"))[SEND]
    assert (sensor.default_status, sensor.minimum_interval_seconds) == (dg.DefaultSensorStatus.STOPPED, 60)


def test_a_wrong_setting_or_a_missing_package_is_told_when_the_code_location_loads(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidDeclaration, match=r"lineage\.uri"):
        definitions(bench, "http://127.0.0.1:1", uri="x")
    monkeypatch.setattr(configuration, "find_spec", lambda name: None)
    with pytest.raises(PackageMissing, match="extra `lineage`"):
        definitions(bench, "http://127.0.0.1:1")


def test_a_run_sends_nothing_and_the_sensor_sends_it_under_the_id_that_dagster_gave_it(bench: Bench) -> None:
    with marquez() as server:
        location = definitions(bench, server.address)
        done = run(location, bench)
        assert server.posted == []

        first = tick(location, bench, None)
        assert (first.skip_message, len(server.posted)) == ("1 run sent", 2)
        again = tick(location, bench, first.cursor)
        assert (again.skip_message, again.cursor, len(server.posted)) == ("0 runs sent", first.cursor, 2)

        told = server.events
    assert [faults_of(each) for each in told] == [[], []]
    assert [each["eventType"] for each in told] == ["START", "COMPLETE"]
    assert told[1]["run"]["facets"]["parent"]["run"]["runId"] == done.run_id


def test_a_dead_server_fails_the_tick_with_one_sentence_and_nothing_is_lost(bench: Bench) -> None:
    with closed() as address:
        location = definitions(bench, address)
        run(location, bench)
        for _ in range(2):
            with pytest.raises(
                LineageUnsent, match=r"`sources/orders` was not sent to .*: no connection: Connection refused"
            ):
                tick(location, bench, None)
    with marquez() as server:
        assert tick(definitions(bench, server.address), bench, None).skip_message == "1 run sent"


def test_a_tick_that_came_some_way_stores_how_far(bench: Bench) -> None:
    with marquez() as server:
        location = definitions(bench, server.address)
        run(location, bench)
        run(location, bench)
        server.answers = [(204, {})] * 2 + [(500, {})]
        half = tick(location, bench, None)
        assert half.skip_message == "1 run sent, 1 waiting"
        assert tick(location, bench, half.cursor).skip_message == "1 run sent"
        assert_sent_once(server)


def assert_sent_once(server: Marquez) -> None:
    taken = [(each["run"]["runId"], each["eventType"]) for each in server.events]
    assert len(set(taken)) == 4


def test_a_switched_off_client_keeps_the_place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed() as address:
        location = definitions(bench, address)
        run(location, bench)
        monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
        off = tick(location, bench, None)
    assert (off.skip_message, off.cursor) == ("OPENLINEAGE_DISABLED is set", None)
