"""Work that is done by processes of their own: publishing under measurement, publishing until killed, watching answers.

`python -m benchmarks.online.children TASK ...`; where things are comes by the environment. Each prints lines, the last
of which may be `RESULT {json}`.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.online.processes import end, environment, memory
from benchmarks.peers import ROOT

RESULT = "RESULT "
LOOK_S = 0.02


def command(task: str, words: Sequence[str]) -> list[str]:
    """How a child is started."""
    return [sys.executable, "-m", "benchmarks.online.children", task, *words]


def told(task: str, words: Sequence[str], timeout: float, more: Mapping[str, str]) -> dict[str, float]:
    """What a child says at its end."""
    with child(task, words, more) as process:
        said, _ = process.communicate(timeout=timeout)
    return result_of(said, process.returncode)


def result_of(said: str, exit_code: int) -> dict[str, float]:
    """The result among the lines of a child."""
    found = [line.removeprefix(RESULT) for line in said.splitlines() if line.startswith(RESULT)]
    if exit_code or not found:
        raise RuntimeError(f"A child failed with exit code {exit_code}: {said[-800:]}")
    return dict(json.loads(found[-1]))


@contextmanager
def child(task: str, words: Sequence[str], more: Mapping[str, str]) -> "Iterator[subprocess.Popen[str]]":
    """A child that is gone afterwards."""
    process = subprocess.Popen(
        command(task, words), cwd=ROOT, env=environment(more), text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("publishing", "generations", "watching"))
    parser.add_argument("--view", default="marked")
    parser.add_argument("--keys", type=int, default=0)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=0, help="0: until killed")
    parser.add_argument("--url", default="")
    parser.add_argument("--connections", type=int, default=8)
    asked = parser.parse_args()
    match asked.task:
        case "publishing":
            print(RESULT + json.dumps(publishing(asked.view)))
        case "generations":
            generations(asked.keys, asked.first, asked.count)
        case "watching":
            from benchmarks.online.watching import watch

            print(RESULT + json.dumps(watch(asked.url, asked.keys, asked.connections)))


def publishing(view: str) -> dict[str, float]:
    """Seconds and bytes of publishing one view; imports and declarations are done before the clock starts."""
    folder = Path(os.environ["BENCH_ONLINE"])
    from benchmarks.online.stores import declared, online_of, publish_views

    views = declared(folder, [view])
    peaks = {"anonymous": 0}
    stop = threading.Event()
    looking = threading.Thread(target=_look, args=(peaks, stop), daemon=True)
    looking.start()
    begun, busy = time.perf_counter(), time.process_time()
    publish_views(folder, views, os.environ.get("FEATURE_PLATFORM_ONLINE"))
    found = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - busy}
    stop.set()
    looking.join()
    online = online_of(folder)
    files = Path(online.location).rglob("data.mdb") if "FEATURE_PLATFORM_ONLINE" not in os.environ else ()
    disk = sum(each.stat().st_blocks * 512 for each in files)
    return {**found, "anonymous": peaks["anonymous"], "peak": memory(os.getpid())["VmHWM"], "disk": disk}


def generations(keys: int, first: int, count: int) -> None:
    """Publish one generation after the other, each of other rows for all keys; says each that is done."""
    import feature_platform as fp
    from benchmarks.online.data import write_marks
    from benchmarks.online.stores import declared, publish_views

    folder = Path(os.environ["BENCH_ONLINE"])
    write_marks(folder, keys, first)
    views, store = declared(folder, ["marked"]), fp.OfflineStore(folder / "store")
    print("ready", flush=True)
    number = first
    while not count or number < first + count:
        write_marks(folder, keys, number)
        fp.materialize(views[0], store)
        publish_views(folder, views)
        print(number, flush=True)
        number += 1
    print(RESULT + json.dumps({"published": number - first}))


def _look(peaks: dict[str, int], stop: threading.Event) -> None:
    while not stop.wait(LOOK_S):
        peaks["anonymous"] = max(peaks["anonymous"], memory(os.getpid())["RssAnon"])


if __name__ == "__main__":
    main()
