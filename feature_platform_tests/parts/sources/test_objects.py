"""Object stores: what is listed and read there, what a run tells of it, and that no secret shows anywhere."""

import gzip
import json
import threading
import zipfile
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import feature_platform as fp
from feature_platform.ground.errors import FeaturePlatformError, InvalidDeclaration, SourceUnreadable
from feature_platform.ground.secret import Secret
from feature_platform.offline import CommitStamp
from feature_platform.parts.sources import Csv, Delta, Json, ObjectStore, Parquet
from feature_platform.parts.sources.found import data_files
from feature_platform.parts.sources.objects import counts
from feature_platform_tests.buckets import SECRET, SECRET_NAME, Bucket
from feature_platform_tests.effort import tries
from feature_platform_tests.shop import at, daily, spending, spine

ENDINGS = (".csv", ".csv.gz")
NAME = st.sampled_from(
    ["a", "b.csv", "B.CSV", "c.csv.gz", ".d.csv", "_e.csv", "f.csv.bak", "g h.csv", "x=1", "[1].csv"]
)
KEY = st.lists(NAME, min_size=1, max_size=3).map("/".join)
PATTERN = st.sampled_from(["", "a", "a/*", "*", "*.csv", "*/*.csv", "a/[bc]*", "a/?.csv*", "x=*/*", "*.bak", "_*"])


def parquet(rows: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    rows.write_parquet(buffer)
    return buffer.getvalue()


def of_day(day: int) -> pl.DataFrame:
    return daily(day + 1).filter(pl.col("at") >= at(day))


@settings(derandomize=True, deadline=None, max_examples=tries(200), database=None)
@given(st.lists(KEY, min_size=1, max_size=8, unique=True), st.one_of(PATTERN, st.integers(0, 7)))
def test_the_same_files_count_as_on_this_machine(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], asked: str | int
) -> None:
    pattern = asked if isinstance(asked, str) else keys[asked % len(keys)]
    root = tmp_path_factory.mktemp("tree")
    if any(other.startswith(f"{key}/") for key in keys for other in keys):
        return  # one name is a file and a folder
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).touch()
    try:
        here = [str(Path(file).relative_to(root)) for file in data_files(str(root / pattern), "orders", ENDINGS)]
    except SourceUnreadable:
        here = []
    is_pattern = any(letter in pattern for letter in "*?[")
    there = [key for key in keys if counts(key, pattern, ENDINGS, is_pattern=is_pattern)]
    assert sorted(here) == ([pattern] if pattern in there else sorted(there))


def test_files_of_every_kind_are_read(bucket: Bucket) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
    bucket.put("zip/a.zip", packed.getvalue())
    bucket.put("gz/a.csv.gz", gzip.compress(b"x\n1\n"))
    bucket.put("json/a [1].json.gz", gzip.compress(b'[{"x": 1}]'))
    bucket.put("json/a [2].ndjson", b'{"x": 1}\n')
    bucket.put("hive/day=2024-05-01/a.parquet", parquet(pl.DataFrame({"x": [1]})))
    for connector in (Csv(bucket.store / "zip"), Csv(bucket.store / "gz"), Json(bucket.store / "json")):
        assert set(connector.scan("orders").collect()["x"]) == {1}
    hive = Parquet(bucket.store / "hive", hive={"day": pl.Date}).scan("orders").collect()
    assert hive.schema == {"x": pl.Int64, "day": pl.Date}
    assert Parquet(bucket.store / "hive/*/*.parquet").scan("orders").collect().columns == ["x"]


def test_a_run_takes_what_is_new_changed_or_gone(bucket: Bucket, store: fp.OfflineStore) -> None:
    source = fp.Source("orders", Parquet(bucket.store / "orders"), event_time="at")
    for day in range(4):
        bucket.put(f"orders/{day}.parquet", parquet(of_day(day)))
    assert len(fp.materialize(source, store)["sources/orders"].rows) == 4
    assert fp.materialize(source, store)["sources/orders"].commit.changed == ()
    bucket.put("orders/1.parquet", parquet(of_day(1).with_columns(pl.col("amount") + 1)))
    bucket.put("orders/4.parquet", parquet(of_day(4)))
    assert fp.materialize(source, store)["sources/orders"].commit.changed == ("2024-01-02", "2024-01-05")
    bucket.drop("orders/2.parquet")
    kept = fp.materialize(source, store)["sources/orders"].candidate.kept
    assert "2.parquet is gone" in kept["2024-01-03"]


def test_an_offline_store_in_a_bucket_holds_tables_their_history_and_features(bucket: Bucket) -> None:
    store = fp.OfflineStore(f"{bucket.store.url}/root", storage_options=bucket.all_options)
    view = spending(fp.Source("orders", fp.sources.Frame(daily()), event_time="at"))
    first = fp.materialize(view, store)["views/spending"]
    assert fp.materialize(view, store)["views/spending"].commit.changed == ()
    found = fp.historical_features(view, spine(("ann", at(3))), store).collect()
    assert found["amount_sum_2d"].to_list() == [20.0]
    assert first.commit is not None
    assert store.read("views/spending", version=first.commit.version).collect().height > 0


def test_commits_of_three_writers_lose_nothing(bucket: Bucket) -> None:
    store = fp.OfflineStore(f"{bucket.store.url}/root", storage_options=bucket.all_options)
    commits = tries(20, fewest=5)

    def write(writer: int) -> None:
        for number in range(commits):
            store.append("log/of", pl.DataFrame({"n": [writer * 1000 + number]}), stamp=CommitStamp("r", "log/of", ""))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    wanted = [writer * 1000 + number for writer in range(3) for number in range(commits)]
    assert sorted(store.read("log/of").collect()["n"]) == wanted


def test_no_secret_is_in_what_is_stored_or_said(bucket: Bucket, store: fp.OfflineStore, tmp_path: Path) -> None:
    source = fp.Source("orders", Parquet(bucket.store / "orders"), event_time="at")
    bucket.put("orders/0.parquet", parquet(of_day(0)))
    fp.materialize(source, store)
    bucket.put("orders/1.parquet", b"no Parquet")
    with pytest.raises(SourceUnreadable, match=r"1\.parquet") as raised:
        fp.materialize(source, store)
    assert SECRET not in f"{raised.value!r} {source!r} {bucket.store!r} {json.dumps(bucket.store.options)}"
    texts = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert texts
    assert not any(SECRET.encode() in text for text in texts)


@pytest.mark.slow  # ten attempts to reach nobody
def test_a_server_that_is_down_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_NAME, SECRET)
    options = {"aws_endpoint_url": "http://127.0.0.1:9", "aws_access_key_id": "me", "aws_allow_http": "true"}
    lake = ObjectStore("s3://lake", options=options, secrets={"aws_secret_access_key": Secret(SECRET_NAME)})
    with pytest.raises(SourceUnreadable, match=r"Source `orders` cannot be read from s3://lake/a: .*Check the address"):
        Csv(lake / "a").scan("orders")


def test_what_is_missing_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ObjectStore("s3://no-such-bucket", options=bucket.options, secrets=bucket.store.secrets)
    with pytest.raises(SourceUnreadable, match=r"s3://no-such-bucket/a: .*Check the address"):
        Csv(other / "a").scan("orders")
    with pytest.raises(SourceUnreadable, match=r"no-such-bucket/t"):
        Delta(other / "t").scan("orders")
    monkeypatch.delenv(SECRET_NAME)
    with pytest.raises(FeaturePlatformError, match=f"needs the environment variable `{SECRET_NAME}`"):
        Csv(bucket.store / "a").scan("orders")


@pytest.mark.parametrize(
    ("url", "words", "found"),
    [
        ("lake", {}, "a URL that names no bucket"),
        ("s3://me:hunter2@lake", {}, "a URL that names no bucket"),
        ("s3://", {}, "a URL that names no bucket"),
        ("s3://me:hunter2", {}, "a URL that names no bucket"),
        ("s3://hunter2@lake", {}, "a URL that names no bucket"),
        ("gs://hunter2@lake", {}, "a URL that names no bucket"),
        ("az://hunter2@lake", {}, "a URL that names no bucket"),
        ("abfss://lake:hunter2@me.dfs.core.windows.net", {}, "a URL that names no bucket"),
        ("abfss://:hunter2@me.dfs.core.windows.net", {}, "a URL that names no bucket"),
        ("abfss://lake@me:hunter2@x", {}, "a URL that names no bucket"),
        ("abfss://lake@me.dfs.core.windows.net?sig=hunter2", {}, "a URL that names no bucket"),
        ("wasbs://lake@me.blob.core.windows.net", {}, "a URL that names no bucket"),  # no engine knows it
        ("s3://lake", {"secrets": {"aws_secret_access_key": "hunter2"}}, "a secret that is no fp.Secret"),
        ("s3://lake", {"options": {"aws_secret_access_key": "hunter2"}}, "the secret `aws_secret_access_key` among"),
        ("az://lake", {"options": {"azure_storage_account_key": "hunter2"}}, "the secret `azure_storage_account_key`"),
        ("s3://lake", {"options": {"aws_session_token": "hunter2"}}, "the secret `aws_session_token` among"),
        ("az://lake", {"options": {"azure_storage_access_key": "hunter2"}}, "the secret `azure_storage_access_key`"),
        ("az://lake", {"options": {"azure_storage_sas_key": "hunter2"}}, "the secret `azure_storage_sas_key`"),
        ("az://lake", {"options": {"azure_client_secret": "hunter2"}}, "the secret `azure_client_secret`"),
        ("az://lake", {"options": {"azure_storage_token": "hunter2"}}, "the secret `azure_storage_token`"),
        (
            "gs://lake",
            {"options": {"google_service_account_key": "hunter2"}},
            "the secret `google_service_account_key`",
        ),
    ],
)
def test_words_that_would_show_a_secret_are_refused_without_showing_it(
    url: str, words: dict[str, dict[str, str]], found: str
) -> None:
    with pytest.raises(InvalidDeclaration, match=found) as raised:
        ObjectStore(url, **words)  # type: ignore[arg-type]
    assert "hunter2" not in str(raised.value)


def test_an_object_is_read_by_its_exact_name_whatever_letters_it_has(bucket: Bucket) -> None:
    bucket.put("a [1].csv", b"x\n1\n")
    bucket.put("a 1.csv", b"x\n2\n")
    assert Csv(bucket.store / "a [1].csv").scan("orders").collect()["x"].to_list() == [1]


def test_an_object_that_was_just_written_is_young(bucket: Bucket) -> None:
    bucket.put("a.csv", b"x\n1\n")
    now = datetime.now(timezone.utc)
    with Csv(bucket.store / "*.csv", settles="1h").open("orders") as data:
        assert data.young(now) == {f"{bucket.store.url}/a.csv"}
        assert data.young(now + timedelta(hours=2)) == frozenset()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (
            "s3://lake",
            {"aws_access_key_id": "me", "aws_web_identity_token_file": "/token", "aws_sse_bucket_key_enabled": "true"},
        ),
        ("gs://lake", {"google_service_account": "/account.json", "google_application_credentials": "/me.json"}),
        (
            "abfss://lake@me.dfs.core.windows.net/raw",
            {"azure_client_id": "me", "azure_tenant_id": "us", "azure_federated_token_file": "/token"},
        ),
    ],
)
def test_what_only_goes_with_a_secret_is_an_option(url: str, options: dict[str, str]) -> None:
    assert ObjectStore(url, options=options).options == options


@pytest.mark.parametrize("scheme", ["abfss", "abfs"])
def test_a_container_of_azure_is_named_before_its_account(scheme: str) -> None:
    url = f"{scheme}://lake@me.dfs.core.windows.net"
    lake = ObjectStore(f"{url}/raw", options={"azure_client_id": "id"})

    assert str(lake / "events/*.parquet") == f"{url}/raw/events/*.parquet"
    client = lake._client(url, "orders")  # as it is listed; Polars and deltalake take the same address
    assert 'container_name="lake", account_name="me"' in repr(client)


def test_the_state_of_a_bucket_is_told_without_reading_objects(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("a.csv", b"x\n1\n")
    monkeypatch.setattr(ObjectStore, "open", None)
    before = Csv(bucket.store / "a.csv").fingerprint("orders")
    bucket.put("a.csv", b"x\n2\n")
    assert Csv(bucket.store / "a.csv").fingerprint("orders") != before
