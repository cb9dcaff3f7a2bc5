"""Database servers of a test's own: in a folder of their own, on a free port of this machine, ended by their process.

PostgreSQL and MariaDB refuse to run as root. A session of root starts them as a user without rights.
"""

import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from feature_platform_tests.programs import program

DUCKDB = "adbc_driver_duckdb"
PASSWORD = "p%ss/w@rd?#:"
_STARTS_IN = 60.0
_MARIADB_TABLES = Path("/usr/share/mysql")
_MARIADB_PARTS = ("system_tables", "performance_tables", "system_tables_data")


@dataclass(frozen=True)
class Server:
    """A server that takes connections.

    Attributes:
        url: as the owner, who needs no password.
        guarded_url: as a user who needs `PASSWORD` and may read what all may read.
    """

    url: str
    guarded_url: str
    folder: Path

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, each by itself, as the owner, and return the rows of the last one."""
        if self.url.startswith("mysql"):
            return self._run_on_mariadb(statements)
        from adbc_driver_postgresql.dbapi import connect

        rows: list[tuple[object, ...]] = []
        with connect(self.url, autocommit=True) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    rows = cursor.fetch_polars().rows() if statement.lstrip().upper().startswith("SELECT") else []
        return rows

    def _run_on_mariadb(self, statements: Sequence[str]) -> list[tuple[object, ...]]:
        import pymysql

        rows: Sequence[tuple[object, ...]] = ()
        place = urlsplit(self.url)
        words = {"host": place.hostname, "port": place.port, "user": place.username, "database": place.path[1:]}
        with pymysql.connect(password=PASSWORD, autocommit=True, **words) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    rows = cursor.fetchall()
        return list(rows)


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server."""
    binary = Path(program("PostgreSQL"))
    with _folder_of_its_own() as (folder, words):
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data, port = folder / "data", _free_port()
        new = ["-U", "tester", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={folder}/password"]
        made = [str(binary.parent / "initdb"), "-D", str(data), "-E", "UTF8", "--locale=C", "--no-sync", *new]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, **words)  # type: ignore[call-overload]
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off"}
        settings |= {"dynamic_shared_memory_type": "mmap"}  # in its folder, so that nothing is left when it is killed
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with _running([str(binary), "-D", str(data), *options], port, folder, words):
            server = Server(
                f"postgresql://tester@/postgres?host={folder}&port={port}",
                f"postgresql://reader@127.0.0.1:{port}/postgres",
                folder,
            )
            _make_reader(server)
            yield server


def _make_reader(server: Server) -> None:
    """Make the user `reader`, as soon as a server takes SQL: it takes connections a moment earlier."""
    from adbc_driver_manager import OperationalError

    end = time.monotonic() + _STARTS_IN
    while True:
        try:
            server.run(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        except OperationalError as error:
            if "starting up" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def mariadb_server() -> Iterator[Server]:
    """A MariaDB server with a database `shop`; both of its users need `PASSWORD`, and the owner may do all there."""
    binary = program("MariaDB")
    with _folder_of_its_own() as (folder, words):
        port, start = _free_port(), folder / "start.sql"
        users = [f"CREATE USER {name} IDENTIFIED BY '{PASSWORD}';" for name in ("owner", "reader")]
        start.write_text("\n".join(["CREATE DATABASE shop;", *users, "GRANT ALL ON shop.* TO owner;"]))
        start.chmod(0o644)
        places = ["--no-defaults", f"--datadir={folder}", f"--tmpdir={folder}"]
        tables = "".join((_MARIADB_TABLES / f"mysql_{name}.sql").read_text() for name in _MARIADB_PARTS)
        made = [binary, *places, "--bootstrap"]
        first = f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}"
        quiet = subprocess.DEVNULL
        subprocess.run(made, check=True, input=first, text=True, stdout=quiet, stderr=quiet, **words)  # type: ignore[call-overload]
        options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/s", f"--init-file={start}"]
        with _running([binary, *places, *options], port, folder, words):
            url = f"mysql+pymysql://owner@127.0.0.1:{port}/shop"
            yield Server(url, url.replace("owner", "reader"), folder)


def duckdb_url(file: Path) -> str:
    """The URL of a file of DuckDB, to be read only."""
    return f"duckdb:///{file}?entrypoint=duckdb_adbc_init&access_mode=READ_ONLY"


def run_on_duckdb(file: Path, *statements: str) -> None:
    """Run statements on a file of DuckDB, by its ADBC driver."""
    from adbc_driver_duckdb.dbapi import connect

    with connect(str(file), autocommit=True) as connection:
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(statement)


@contextmanager
def _folder_of_its_own() -> Iterator[tuple[Path, dict[str, object]]]:
    """A folder, and what a process is started with that may write into it: the environment, and a user if need be."""
    with tempfile.TemporaryDirectory(prefix="db-") as name:  # short: the path of a socket has 107 bytes
        folder, words = Path(name), dict[str, object]()
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(folder, user.pw_uid, user.pw_gid)
            folder.chmod(0o755)
            for parent in folder.parents:
                if parent.stat().st_mode & 0o1 == 0:
                    parent.chmod(parent.stat().st_mode | 0o1)  # so that it can be reached, not read
            words = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        yield folder, words


@contextmanager
def _running(command: Sequence[str], port: int, folder: Path, words: Mapping[str, object]) -> Iterator[None]:
    """A server while it takes connections on a port."""
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **words)  # type: ignore[call-overload]
        try:
            _await_connections(server, port, folder)
            yield
        finally:
            server.send_signal(signal.SIGQUIT)  # at once, its own processes with it
            server.wait()


def _await_connections(server: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    end = time.monotonic() + _STARTS_IN
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    said = (folder / "log").read_text()[-2000:]
    pytest.fail(f"{server.args!r} did not start: {said}", pytrace=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
