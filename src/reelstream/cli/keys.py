"""`reelstream keys`: who may use the API, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import open_work_folder
from reelstream.cli.notices import print_notice
from reelstream.cli.options import Json
from reelstream.cli.output import print_json, print_table, utc
from reelstream.errors import SettingError
from reelstream.files import replace_file
from reelstream.settings import Settings
from reelstream.storage.api_keys import ApiKey, ApiKeys, Scope

KeyName = Annotated[
    str, typer.Argument(metavar="NAME", help="The key's name: small letters, digits, hyphens.")
]
Scopes = Annotated[
    list[Scope] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="What it allows: read, write or admin; may be repeated.  [default: read, write]",
    ),
]


@with_settings("work")
def create(
    settings: Settings,
    name: KeyName,
    scope: Scopes = None,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the key into this file in place of printing it."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Revoke the key that has this name, if there is one.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Make a key and print it, this once."""
    scopes = sorted(set(scope or (Scope.READ, Scope.WRITE)))
    keys = _open(settings)
    if replace:
        keys.revoke(name)
    key = keys.create(name, scopes)
    if file is not None:
        replace_file(file, key.encode() + b"\n", is_secret=True)
    if as_json:
        print_json({"name": name, "scopes": scopes, "key": key if file is None else None})
    elif file is None:
        typer.echo(key)
        print_notice(
            f"this is the key {name!r}, for {', '.join(scopes)}; it is written down nowhere, and "
            f"counts until `reelstream keys revoke {name}`"
        )
    else:
        typer.echo(f"{file} holds the key {name!r}, for {', '.join(scopes)}")
    return DONE


@with_settings("work")
def list_keys(settings: Settings, as_json: Json = False) -> int:
    """List the keys, without what is secret of them."""
    keys = _open(settings)
    found = keys.all()
    if as_json:
        print_json({"keys": [_as_json(key, keys.last_use(key.name)) for key in found]})
        return DONE
    print_table(
        ["key", "scopes", "made at (UTC)", "last used (UTC)"],
        [
            [
                key.name,
                ", ".join(sorted(key.scopes)),
                utc(key.created_at),
                "never" if (used := keys.last_use(key.name)) is None else utc(used),
            ]
            for key in found
        ],
    )
    return DONE


@with_settings("work")
def revoke(settings: Settings, name: KeyName, as_json: Json = False) -> int:
    """Remove a key; a running server refuses it from the next request on."""
    if not _open(settings).revoke(name):
        raise SettingError(
            f"there is no key {name!r}: `reelstream keys list` names those there are"
        )
    if as_json:
        print_json({"revoked": name})
    else:
        typer.echo(f"the key {name!r} counts no longer")
    return DONE


def _as_json(key: ApiKey, last_use: float | None) -> dict[str, object]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "last_use": last_use,
    }


def _open(settings: Settings) -> ApiKeys:
    folder, _ = open_work_folder(settings)
    return ApiKeys(folder.keys)
