"""`feature-platform contract`: writes a source as a data contract, and checks contracts in the CI of a project."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feature_platform.cli.shared import ProjectName, load_project, one_line_errors, open_store
from feature_platform.declarations.source import Source
from feature_platform.ground.errors import InvalidDeclaration, UnknownName
from feature_platform.ground.table_names import TableKind

if TYPE_CHECKING:
    import polars as pl

    from feature_platform.declarations.contract import DataContract

_WORDS = "The name of a source; with --check, contracts. Defaults to those that sources were made from."
_CHECK = "Say what tables and declarations break of contracts, and exit with 1 when it is anything."
_DECLARED = "With --check: compare declarations only, where neither the tables nor the data can be read."
_VERSION = "The version of the contract; raise it when what it promises changes."


def contract(
    words: Annotated[list[str] | None, typer.Argument(help=_WORDS, metavar="[SOURCE | FILE...]")] = None,
    check: Annotated[bool, typer.Option("--check", help=_CHECK)] = False,  # noqa: FBT002 - a flag
    declared: Annotated[bool, typer.Option("--declared", help=_DECLARED)] = False,  # noqa: FBT002
    version: Annotated[str, typer.Option(help=_VERSION)] = "1.0.0",
    project: ProjectName = None,
) -> None:
    """Write a source as a data contract (ODCS 3.1), or check with `--check` that contracts are kept.

    The columns are those of its table, and those of its prepared rows before the first run.

    Example: feature-platform contract orders > orders.odcs.yaml
    """
    from feature_platform.quality.contracts import contract_of

    with one_line_errors():
        sources = [each for each in load_project(project).assets if isinstance(each, Source)]
        if check:
            _check_files([Path(each) for each in words or []], sources, declared=declared)
            return
        names = words or []
        if len(names) != 1:
            found = f"was given {len(names)} names"
            raise InvalidDeclaration("The command", found, "Name one source, or say --check and name contracts.")
        source = _find_source(sources, names[0])
        typer.echo(contract_of(source, schema_of(source), version=version), nl=False)


def schema_of(source: Source) -> "pl.Schema":
    """Return the columns of the table of a source; before its first run, those that its rows would be stored with."""
    import polars as pl

    from feature_platform.offline.schema import make_storable
    from feature_platform.pipelines.candidates.reading import scan_whole

    store = open_store()
    if store.exists(source.asset):
        return store.read(source.asset).collect_schema()
    with source.connector.open(source.name) as data:
        rows = scan_whole(source, store, data).collect_schema()
    return make_storable(source.asset, pl.DataFrame(schema=rows)).schema


def _find_source(sources: list[Source], name: str) -> Source:
    found = [each for each in sources if each.name == TableKind.SOURCES.bare_name(name)]
    if not found:
        raise UnknownName("The project", "source", name, [each.name for each in sources])
    return found[0]


def _check_files(files: list[Path], sources: list[Source], *, declared: bool) -> None:
    from feature_platform.quality.contract_breaches import find_breaches

    own = list(dict.fromkeys(each.contract.path for each in sources if each.contract is not None))
    if not files and not own:
        raise InvalidDeclaration("The command", "was given no contract", "Name the files of contracts.")
    broken = False
    for file in files or own:
        for read, source in _pairs(file, sources):
            breaches = find_breaches(read, source, None if declared else schema_of(source))
            broken = broken or bool(breaches)
            for breach in breaches:
                typer.echo(f"{file}: {source.asset}: {breach}.")
            if not breaches:
                typer.echo(f"{file}: {source.asset} keeps it.")
            for field in read.left_out:
                typer.echo(f"{file}: {field} is not checked.")
    if broken:
        raise typer.Exit(1)


def _pairs(file: Path, sources: list[Source]) -> "Iterator[tuple[DataContract, Source]]":
    """Yield each table of a contract that a source was made from, or is called as.

    Raises:
        InvalidDeclaration: none of its tables is.
    """
    from feature_platform.declarations.contract import read_contract, tables_of_contract

    tables = tables_of_contract(file)
    pairs = [(table, each) for table in tables for each in sources if _is_about(file, table, each)]
    if not pairs:
        raise InvalidDeclaration(
            f"Data contract {file}",
            f"is about {', '.join(tables) or 'no table'}, and no source is made from it or called so",
            f"The project has the sources {', '.join(each.name for each in sources)}.",
        )
    for table, source in pairs:
        yield read_contract(file, table), source


def _is_about(file: Path, table: str, source: Source) -> bool:
    made_from = source.contract
    if made_from is not None and made_from.path.resolve() == file.resolve():
        return made_from.table == table
    return source.name == table
