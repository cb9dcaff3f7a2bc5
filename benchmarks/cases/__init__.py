"""The catalogue of cases: one file each."""

from benchmarks.cases import growth, known_at, new_day, one_gigabyte, shared, three_tables, to_delta, windows
from benchmarks.cases.base import Case, Task
from benchmarks.shapes import ingested_by

INGEST = "ingest"
_MODULES = (shared, three_tables, to_delta, one_gigabyte, windows, new_day, known_at, growth)


def cases(scale: float) -> dict[str, Case]:
    """All cases at a scale, by name, in the order in which they are shown."""
    made = [module.case(scale) for module in _MODULES]
    return {case.name: case for case in made}


def ingestion(cases: dict[str, Case]) -> Case:
    """The case of all tables that the cases have in the platform's store; it has no bar."""
    needed = {each: None for case in cases.values() for task in case.tasks for each in ingested_by(task.work)}
    tasks = tuple(Task(each.name, each, ("ours",), f"{INGEST}_{each.name}") for each in needed)
    return Case(INGEST, "Parquet into Delta, by month", tasks, ())
