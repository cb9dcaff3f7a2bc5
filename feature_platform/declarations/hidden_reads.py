"""Hidden reads: functions of a declaration that open data themselves, of which no commit names a version."""

import re
from collections.abc import Mapping

from feature_platform.declarations.label import Label
from feature_platform.declarations.project import Asset
from feature_platform.declarations.reached_code import reached_code
from feature_platform.declarations.source import Source
from feature_platform.declarations.view import FeatureView

_FORMATS = "avro|clipboard|csv|database|database_uri|delta|excel|feather|fwf|gbq|hdf|html|iceberg|ipc|ipc_stream|json"
_MORE = "lines|ndjson|ods|orc|parquet|pickle|sas|spss|sql|sql_query|sql_table|stata|table|xml"
_READER = re.compile(f"(read|scan)_({_FORMATS}|{_MORE})|open|urlopen|DeltaTable|read_text|read_bytes")


def hidden_reads(asset: Asset) -> Mapping[str, tuple[str, ...]]:
    """Return the functions that make rows of an asset and open data themselves, each with how, such as `scan_csv`.

    It is told by the names that a function and the user's own code behind it use. What a connector opens is not hidden.
    """
    match asset:
        case Source():
            roots: list[object] = [asset.prepare]
        case FeatureView() | Label():
            roots = [asset.transform]
        case _:
            roots = []
    found = {name: sorted(filter(_READER.fullmatch, names)) for name, names in reached_code(roots).names.items()}
    return {name: tuple(readers) for name, readers in found.items() if readers}
