"""The same rows in Redis and in the embedded store: load, and native answers."""

from benchmarks.online import data
from benchmarks.online.base import Bench, Case, never, ratio
from benchmarks.online.cases.serve import BODIES, COLUMNS, NATIVE_PATH
from benchmarks.online.children import told
from benchmarks.online.clients import native_body, write_bodies, wrk
from benchmarks.online.processes import redis_served, served, settings
from benchmarks.online.stores import online_of, store_views

LOAD_S = 600
CONNECTIONS = 32  # a server asks a remote store for 64 answers at once, and refuses more


def run(bench: Bench) -> None:
    """Load each, then ask both in turn."""
    folder, keys = bench.folder / "remote", bench.sizes.remote
    data.make_features(folder, "twenties", keys, 20, seed=12)
    store_views(bench, folder, ("twenty",), {"rows": keys})
    body = native_body("wide")
    files = {n: write_bodies(folder / "bodies" / f"native_{n}", BODIES[n], n, keys, body) for n in (1, 100)}
    with redis_served() as address:
        places = {"LMDB": None, "Redis": address}
        for name, where in places.items():
            online_of(folder, where).remove("twenty")
            found = told("publishing", ["--view", "twenty"], LOAD_S, settings(folder, where))
            bench.note(f"Load into {name}", {"rows": keys / found["wall"]})
        with served(folder) as embedded, served(folder, online=address) as remote:
            for _ in range(bench.repeats):
                for entities, bodies in files.items():
                    for name, server in (("LMDB", embedded), ("Redis", remote)):
                        load = wrk(server, NATIVE_PATH, bodies, connections=CONNECTIONS, seconds=bench.seconds)
                        bench.note(f"native, {entities}, {name}", load.figures(entities))


CASE = Case(
    "redis",
    "the same 200k keys x 20 features embedded and in Redis on a unix socket here, one worker, 32 connections",
    COLUMNS,
    (
        ratio(
            "native, 1 entity: requests/s of Redis / LMDB",
            ("native, 1, Redis", "rate"),
            ("native, 1, LMDB", "rate"),
            at_least=0.3,
        ),
        *(never(f"native, {n}, Redis: failed", (f"native, {n}, Redis", "failed")) for n in (1, 100)),
    ),
    run,
    facts={"rows": "rows/s"},
)
