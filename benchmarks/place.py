"""Where everything of one scale lies: below `<data>/scale-<scale>`, nothing of it worth keeping."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shapes import Spine, Table


@dataclass(frozen=True)
class Place:
    """The folders of one scale."""

    folder: Path

    def table(self, table: Table) -> Path:
        """The folder of a table's Parquet files."""
        return self.folder / "tables" / table.name

    def files(self, table: Table) -> str:
        """The pattern of a table's Parquet files."""
        return str(self.table(table) / "*.parquet")

    def spine(self, spine: Spine) -> Path:
        """The one Parquet file of a spine."""
        return self.folder / "spines" / spine.name / "spine.parquet"

    @property
    def store(self) -> Path:
        """The root of the platform's store."""
        return self.folder / "store"

    @property
    def daily_store(self) -> Path:
        """The root of the store that days are published to."""
        return self.folder / "daily_store"

    @property
    def answers(self) -> Path:
        """Answers that are written to disk; emptied before each."""
        return self.folder / "answers"

    def clear(self) -> None:
        """Remove what no later measurement reads."""
        for folder in (self.answers, self.daily_store):
            shutil.rmtree(folder, ignore_errors=True)

    def ingested(self, name: str) -> Path:
        """The note of what an ingested table was made from."""
        return self.folder / "ingested" / f"{name}.json"
