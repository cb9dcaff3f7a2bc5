"""`feature-platform catalog`: what is stored of every asset, and what is served of it."""

from datetime import datetime, timezone

from rich.box import SIMPLE_HEAD
from rich.table import Table

from feature_platform.serving.catalogue import CatalogueEntry, OnlineState

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def catalogue_table(entries: list[CatalogueEntry], now: datetime | None = None) -> Table:
    """Return the catalogue as a table for people; ages are those at `now`."""
    moment = now or datetime.now(timezone.utc)
    table = Table(box=SIMPLE_HEAD, padding=0)
    for name in ("asset", "rows", "v", "newest (UTC)", "online"):
        table.add_column(name, justify="right" if name in ("rows", "v") else "left", no_wrap=name != "online")
    for each in entries:
        newest = "" if each.newest is None else f"{each.newest:%Y-%m-%d %H:%M}"
        version = "-" if each.version is None else str(each.version)
        if each.pin is not None:
            version += f" = {each.pin.version}, pinned"
        table.add_row(each.asset, f"{each.rows:,}", version, newest, online_text(each.online, moment))
    return table


def online_text(online: OnlineState | None, now: datetime) -> str:
    """Return one cell: how many entries, of which version, how old the newest event is, and why it is behind."""
    if online is None:
        return ""
    if online.table is None:
        return "[dim]never published[/]"
    age = online.age(now)
    facts = [online.words(), *([] if age is None else [_age(age)])]
    text = ", ".join(facts)
    return text if online.behind is None else f"{text} [yellow]behind: {online.behind}[/]"


def _age(seconds: float) -> str:
    """Return an age in its largest whole unit.

    >>> _age(7_300), _age(-5)
    ('2h old', 'in the future')
    """
    if seconds < 0:
        return "in the future"
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{int(seconds // size)}{unit} old"
