"""`feature-platform keys`: who may request what from the feature server.

A token is printed once, alone on standard output so that it can be piped; nothing can show it again.
"""

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from feature_platform.access import AccessKey, create_key, list_keys, revoke_key
from feature_platform.cli.shared import one_line_errors, open_store
from feature_platform.ground.clock import microseconds, shift_moment

app = typer.Typer(help="Access keys of the feature server: make, list and revoke them.", no_args_is_help=True)

_SCOPE_HELP = "What the key grants: `read:SERVICE`, `read:*`, `push` or `admin`; repeat the option for more."


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who the key is for.", metavar="NAME")],
    scope: Annotated[list[str], typer.Option(help=_SCOPE_HELP)],
    expires: Annotated[str | None, typer.Option(help="How long it is valid, e.g. `90d`. Defaults to for ever.")] = None,
) -> None:
    """Make a key and print its token, which is shown only once.

    Example: feature-platform keys create airline --scope read:delay_v1 --scope push --expires 90d
    """
    from feature_platform.pipelines.holders import hold
    from feature_platform.settings import loaded_settings

    with one_line_errors():
        now = datetime.now(timezone.utc)
        until = None if expires is None else shift_moment(now, microseconds(expires, "Option `--expires`"))
        hold(open_store(), "keys", loaded_settings().access_folder)
        key, token = create_key(_folder(), name, scope, now, until)
    typer.echo(token)
    ends = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "until it is revoked"
    typer.echo(f"Key {key.id} for {key.name} grants {', '.join(key.scopes)} {ends}.", err=True)
    typer.echo("Keep the token above: only its hash is stored, and it cannot be shown again.", err=True)


@app.command(name="list")
def show_keys() -> None:
    """List all keys, oldest first: who they are for, what they grant, and whether they are still valid.

    Example: feature-platform keys list
    """
    with one_line_errors():
        keys = list_keys(_folder())
    if not keys:
        typer.echo("There are no keys yet. Make one: feature-platform keys create NAME --scope read:SERVICE")
        return
    now, table = datetime.now(timezone.utc), Table(box=SIMPLE_HEAD, padding=0)
    for column in ("id", "for", "scopes", "made (UTC)", "state"):
        table.add_column(column, no_wrap=column in ("id", "made (UTC)"), overflow="fold")
    for key in keys:
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        table.add_row(key.id, escape(key.name), "\n".join(key.scopes), created, _state(key, now))
    Console().print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The id of the key; see `keys list`.", metavar="ID")]) -> None:
    """Refuse a key from now on; running servers know within about a second.

    Example: feature-platform keys revoke 3f9a0c81d2e4
    """
    with one_line_errors():
        key = revoke_key(_folder(), key_id, datetime.now(timezone.utc))
    typer.echo(f"Key {key.id} for {key.name} is revoked since {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC.")


def _folder() -> Path:
    """Return the folder of the keys of this machine; refuse when another machine keeps the keys."""
    from feature_platform.pipelines.holders import refuse_other_machines
    from feature_platform.settings import loaded_settings

    folder = loaded_settings().access_folder
    refuse_other_machines(open_store(), "keys", folder)
    return folder


def _state(key: AccessKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if key.is_valid(now) else 'expired'} {key.expires_at:%Y-%m-%d %H:%M}"
