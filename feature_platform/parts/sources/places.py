"""Places that files lie in: which files are there, and how they are read. This machine, or an object store."""

from abc import ABC, abstractmethod
from collections.abc import Container, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import ClassVar, NamedTuple

from feature_platform.parts.sources.found import data_files


class FileFacts(NamedTuple):
    """What a place knows of a file without reading it.

    Attributes:
        stamp: changes whenever what the file holds may have changed.
        changed: when it was last changed, or a mark of its content.
        written: when it was last written, in microseconds since 1970.
    """

    size: int
    stamp: str
    changed: str
    written: int


class Place(ABC):
    """Where files lie.

    Attributes:
        is_near: whether reading files costs little, so that their contents tell whether they have changed.
    """

    is_near: ClassVar[bool] = True

    @abstractmethod
    def list_files(self, path: str, owner: str, endings: Sequence[str]) -> dict[str, FileFacts]:
        """Return the files of a path, a folder or a pattern in the order of their names; see `data_files`.

        Args:
            owner: the source's name, for errors.

        Raises:
            SourceUnreadable: there is no such file, or the place cannot be reached.
        """

    @abstractmethod
    def is_folder(self, path: str, files: Container[str]) -> bool:
        """Tell whether a path, of which these files were listed, stands for all files below it."""

    @abstractmethod
    def open(self, file: str) -> BufferedIOBase:
        """Open a file to read bytes anywhere in it.

        Raises:
            OSError: it cannot be read.
        """

    def storage_options(self, owner: str) -> dict[str, str] | None:
        """Return what Polars needs to read there; secrets are revealed in it.

        Raises:
            SecretMissing: the variable of a secret is not set.
        """
        return None

    def hide_secrets(self, text: str) -> str:
        """Return a text without the secrets of the place."""
        return text


class LocalFiles(Place):
    """The file systems of this machine."""

    def list_files(self, path: str, owner: str, endings: Sequence[str]) -> dict[str, FileFacts]:
        """List the files.

        Their stamps tell a file that was replaced by one of the same size and time (inode) or was given back an old
        time (time of the last change of its entry).
        """
        return {
            file: FileFacts(
                stat.st_size,
                f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}",
                str(stat.st_mtime_ns),
                stat.st_mtime_ns // 1000,
            )
            for file, stat in data_files(path, owner, endings).items()
        }

    def is_folder(self, path: str, files: Container[str]) -> bool:
        return Path(path).is_dir()

    def open(self, file: str) -> BufferedIOBase:
        return Path(file).open("rb")


HERE = LocalFiles()


@dataclass(frozen=True)
class StoredPath:
    """A path in a place, as `store / "events/*.parquet"` makes it.

    Attributes:
        uri: the whole address; it holds no secret.
    """

    place: Place
    uri: str

    def __truediv__(self, path: str) -> "StoredPath":
        return StoredPath(self.place, f"{self.uri.rstrip('/')}/{path.lstrip('/')}")

    def __str__(self) -> str:
        return self.uri
