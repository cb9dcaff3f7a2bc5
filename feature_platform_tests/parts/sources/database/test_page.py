"""What the page about databases declares for servers works on a server."""

import re
from pathlib import Path

import pytest

import feature_platform as fp
from feature_platform_tests.databases import PASSWORD, Server

PAGE = Path(fp.__file__).parents[1] / "docs" / "how-to" / "databases.md"
COLUMNS = "id int, at timestamp, created_at timestamp, updated_at timestamp, amount decimal(10, 2)"
NAMES = {"postgresql": ("public.orders", "orders"), "mysql+pymysql": ("stock", "stock")}


def declared(scheme: str, server: Server) -> fp.Source:
    """The source of the block with a URL of a scheme, at another address."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    block = next(each for each in blocks if f'"{scheme}://' in each)
    names: dict[str, object] = {"fp": fp}
    exec(re.sub(rf'"{re.escape(scheme)}://[^"]*"', repr(server.url), block), names)
    source = names[NAMES[scheme][1]]
    assert isinstance(source, fp.Source)
    return source


@pytest.mark.parametrize(("scheme", "fixture"), [("postgresql", "postgres"), ("mysql+pymysql", "mariadb")])
def test_the_declaration_of_the_page_is_materialized_and_no_secret_is_stored(
    scheme: str,
    fixture: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    store: fp.OfflineStore,
    tmp_path: Path,
) -> None:
    server: Server = request.getfixturevalue(fixture)
    table = NAMES[scheme][0]
    columns = COLUMNS.replace("timestamp", "timestamptz" if fixture == "postgres" else "datetime")
    values = "(1, '2024-05-01', '2024-05-01', '2024-05-02', 9.99)"
    server.run(f"CREATE TABLE {table} ({columns})", f"INSERT INTO {table} VALUES {values}")
    monkeypatch.setenv("SHOP_DB_PASSWORD", PASSWORD)
    source = declared(scheme, server)

    fp.materialize(source, store, partitions=fp.Partitions("daily", start="2024-05-01"))

    assert store.read(source.asset).collect()["id"].to_list() == [1]
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    assert not any(PASSWORD.encode() in each for each in written)
    server.run(f"DROP TABLE {table}")
