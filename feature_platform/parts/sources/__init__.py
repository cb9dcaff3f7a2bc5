"""The catalogue of connectors: one file each, under the contract of `base`."""

from feature_platform.parts.sources.base import Connector
from feature_platform.parts.sources.call import Call
from feature_platform.parts.sources.csv import Csv
from feature_platform.parts.sources.database import Database
from feature_platform.parts.sources.delta import Delta
from feature_platform.parts.sources.dlt import Dlt
from feature_platform.parts.sources.frame import Frame
from feature_platform.parts.sources.iceberg import Iceberg
from feature_platform.parts.sources.json import Json
from feature_platform.parts.sources.kafka import Kafka
from feature_platform.parts.sources.objects import ObjectStore
from feature_platform.parts.sources.parquet import Parquet

__all__ = [
    "Call",
    "Connector",
    "Csv",
    "Database",
    "Delta",
    "Dlt",
    "Frame",
    "Iceberg",
    "Json",
    "Kafka",
    "ObjectStore",
    "Parquet",
]
