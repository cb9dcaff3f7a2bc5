"""Pushes to a server of the shop, and what is read back."""

from pathlib import Path

from feature_platform.online.spool import Spool
from feature_platform.server.app import FeatureServer
from feature_platform_tests.server.driver import Told, ask

HOUR = "2024-01-06T12:00:00"


def df(**columns: list[object]) -> dict[str, list[object]]:
    return {"customer": ["eve"], "at": [HOUR], "amount": [7.0], **columns}


def feast(server: FeatureServer, to: str = "online_and_offline", **columns: list[object]) -> Told:
    return ask(server, "/push", {"push_source_name": "orders", "df": df(**columns), "to": to})


def read(server: FeatureServer, name: str, view: str = "last_order", feature: str = "last_amount") -> object:
    entities = [{"customer": name}]
    told = ask(server, "/v1/features", {"features": [f"{view}:{feature}"], "entities": entities})
    assert told.status == 200, told.body
    return told.json["rows"][0]["values"][0]


def waiting(root: Path) -> int:
    return sum(Spool(root / "spool").sources().values())


def emptied(server: FeatureServer) -> None:
    assert server.pushes is not None
    server.pushes.emptying.empty()
