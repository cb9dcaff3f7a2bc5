"""The pages of the reference that are made from the code when the site is built: nothing in them is written twice.

`docs/conf.py` calls `write_pages`, and so does a test. What has no sentence of its own is an error.
"""

import inspect
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import feature_platform as fp
from feature_platform.cli.app import app
from feature_platform.compute.watches import WATCHES
from feature_platform.ground import errors
from feature_platform.ground.errors import FeaturePlatformError
from feature_platform.ground.table_names import TableKind
from feature_platform.monitoring.alerting import AlertStore
from feature_platform.monitoring.alerting.metrics import prometheus_text
from feature_platform.parts import aggregations, alert_channels, drift, executors, imputation, sources
from feature_platform.server.metrics import Metrics
from feature_platform.settings import Settings

Row = tuple[str, ...]


class Undocumented(Exception):
    """Something that users meet and that no sentence describes."""


def write_pages(folder: Path) -> None:
    """Write every page into a folder, which is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / f"{name}.md").write_text(page())


def sdk_page() -> str:
    """Return the page of the names that users import: `fp.<name>`."""
    entries = (f"## fp.{name}\n\n{_entry(name)}\n" for name in sorted(fp.__all__, key=str.lower))
    return "# The SDK\n\nAll of these are names of `import feature_platform as fp`.\n\n" + "\n".join(entries)


def parts_page() -> str:
    """Return the page of the parts: a table for each catalogue."""
    rooms: list[ModuleType] = [aggregations, sources, imputation, drift, executors, alert_channels]
    sections = [
        f"## {room.__name__.rpartition('.')[2].replace('_', ' ').capitalize()}\n\n"
        f"{_table(('Name', 'What it does'), ((f'`{kind.__name__}`', sentence_of(kind)) for kind in parts_of(room)))}"
        for room in rooms
    ]
    return "# Parts\n\nWhat a user picks; each is one file beside its siblings.\n\n" + "\n".join(sections)


def parts_of(room: ModuleType) -> Iterator[type]:
    """Yield the classes of a catalogue, in the order of `__all__`."""
    for name in room.__all__:
        if inspect.isclass(kind := getattr(room, name)) and not inspect.isabstract(kind):
            yield kind


def commands_page() -> str:
    """Return the page of the commands, with their options."""
    root = typer.main.get_command(app)
    sections = []
    for name, command in commands_of(root, "feature-platform"):
        rows = [(_words_of(parameter), _help_of(parameter, name)) for parameter in command.params]
        table = _table(("Option", ""), rows) if rows else ""
        sections.append(f"## {name}\n\n{_need(command.help, name)}\n\n{table}")
    return "# Commands\n\n" + "\n".join(sections)


def commands_of(command: TyperCommand | TyperGroup, name: str) -> Iterator[tuple[str, TyperCommand]]:
    """Yield each command that does something, with the words it is called by."""
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    for word in sorted(command.commands):
        yield from commands_of(command.commands[word], f"{name} {word}")


def settings_page() -> str:
    """Return the page of the settings: keys of `[tool.feature_platform]` and their variables."""
    described = attributes_of(Settings)
    rows = [
        (
            f"`{name}`",
            f"`FEATURE_PLATFORM_{name.upper()}`",
            f"`{field.get_default(call_default_factory=True)!r}`",
            described[name],
        )
        for name, field in Settings.model_fields.items()
    ]
    before = (inspect.getdoc(Settings) or "").split("Attributes:")[0]
    return f"# Settings\n\n{before}\n{_table(('Key', 'Variable', 'Default', ''), rows)}"


def watches_page() -> str:
    """Return the page of the watches."""
    rows = [(f"`{watch.kind}`", sentence_of(type(watch))) for watch in WATCHES]
    return f"# Watches\n\nWhat is looked at in every partition of every table.\n\n{_table(('Kind', ''), rows)}"


def tables_page() -> str:
    """Return the page of the tables that an offline store has."""
    rows = [(f"`{kind.pattern}`", kind.beside.value, _need(kind.sentence, kind)) for kind in TableKind]
    before = (
        "The tables of an offline store. An asset is a source, a feature view, a label or a training set, and has a "
        "table of its own. Other tables are beside an asset or a feature service, and are dropped with it, or they are "
        "of the whole store. In a name, `<asset>` is such as `sources/orders`, and `<source>` such as `orders`."
    )
    return f"# Tables\n\n{before}\n\n{_table(('Table', 'Beside', ''), rows)}"


def metrics_page() -> str:
    """Return the page of the metrics that the feature server shows under `/metrics`."""
    rows = [(f"`{name}`", kind, text) for name, kind, text in metrics_of_the_server()]
    return f"# Metrics\n\n{_table(('Name', 'Kind', ''), rows)}"


def errors_page() -> str:
    """Return the page of the errors: `feature_platform.ground.errors`."""
    kinds = sorted(errors_of_the_platform(), key=lambda kind: kind.__name__)
    return f"# Errors\n\n{_table(('Error', ''), ((f'`{kind.__name__}`', sentence_of(kind)) for kind in kinds))}"


def errors_of_the_platform() -> list[type]:
    """Return every class of the one family."""
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, (FeaturePlatformError, Warning))
    ]


def attributes_of(kind: type) -> dict[str, str]:
    """Return what the section `Attributes` of a docstring says of each name."""
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    ([a-z_, ]+): (.*(?:\n        .*)*)", text, re.MULTILINE)
    return {name: " ".join(said.split()) for names, said in found for name in names.split(", ")}


def sentence_of(thing: object) -> str:
    """Return the first paragraph of a docstring as one line.

    Raises:
        Undocumented: there is none.
    """
    own = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    return " ".join(inspect.cleandoc(_need(own, str(thing))).split("\n\n")[0].split())


def metrics_of_the_server() -> list[Row]:
    """Return name, kind and sentence of each metric, as Prometheus reads them."""
    with tempfile.TemporaryDirectory() as folder:
        text = Metrics().text().decode() + prometheus_text(AlertStore(Path(folder)), datetime.now(UTC))
    sentences = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    return [(name, kind, _need(sentences.get(name), name)) for name, kind in kinds if not name.endswith("_created")]


def _entry(name: str) -> str:
    """Return what is said of a name: of a module its first paragraph and its names, of all else its docstring."""
    value = getattr(fp, name)
    if not inspect.ismodule(value):
        return f"```{{eval-rst}}\n{_directive(value)}\n```\n"
    documented = {each: getattr(value, each) for each in sorted(getattr(value, "__all__", dir(value)))}
    own = {each: thing for each, thing in documented.items() if inspect.isclass(thing) or inspect.isfunction(thing)}
    public = {each: thing for each, thing in own.items() if thing.__module__.startswith(value.__name__.split(".")[0])}
    rows = [(f"`fp.{name}.{each}`", sentence_of(thing)) for each, thing in public.items() if not each.startswith("_")]
    return f"{sentence_of(value)}\n\n{_table(('Name', ''), rows)}"


def _directive(value: type | Callable[..., object]) -> str:
    if inspect.isclass(value):
        return f".. autoclass:: feature_platform.{value.__name__}\n   :members:"
    return f".. autofunction:: {value.__module__}.{value.__name__}"


def _words_of(parameter: TyperArgument | TyperOption) -> str:
    words = [(parameter.name or "").upper()] if isinstance(parameter, TyperArgument) else parameter.opts
    return ", ".join(f"`{word}`" for word in [*words, *parameter.secondary_opts])


def _help_of(parameter: TyperArgument | TyperOption, command: str) -> str:
    if isinstance(parameter, TyperArgument):
        return parameter.help or "a word after the command"
    return _need(getattr(parameter, "help", None), f"{command} {parameter.name}")


def _table(heads: Row, rows: Iterable[Row]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return (
        "\n".join(
            f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in row)} |" for row in lines
        )
        + "\n"
    )


def _need(text: str | None, thing: str) -> str:
    if not text or not text.strip():
        raise Undocumented(thing)
    return text.strip()


PAGES: dict[str, Callable[[], str]] = {
    "sdk": sdk_page,
    "parts": parts_page,
    "commands": commands_page,
    "settings": settings_page,
    "watches": watches_page,
    "tables": tables_page,
    "metrics": metrics_page,
    "errors": errors_page,
}
