"""`reelstream models segments`."""

from __future__ import annotations

from typing import Any

import msgspec

from reelstream.catalog import Catalog
from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import known_ids, open_work_folder
from reelstream.cli.options import Json, SetNumber
from reelstream.cli.output import print_json, print_table
from reelstream.models.segment.description import Segment
from reelstream.ratings.ids import Ids
from reelstream.settings import Settings
from reelstream.storage.model_sets import ModelSetStore


@with_settings("work")
def segments(settings: Settings, number: SetNumber, as_json: Json = False) -> int:
    """Describe the segments of a model set."""
    folder, _ = open_work_folder(settings)
    catalog = folder.read_catalog()
    described = ModelSetStore.in_folder(folder.models).load(number, catalog).segment.segments
    ids = known_ids(folder)
    table = sorted(described, key=lambda each: each.number)
    if as_json:
        print_json({"number": number, "segments": [_as_shown(each, ids) for each in table]})
        return DONE
    print_table(
        ["segment", "", "users", "ratings of one", "mean", "spread"],
        [
            [each.number, each.label, each.size, each.ratings, each.mean, each.spread]
            for each in table
        ],
    )
    print_table(
        ["segment", "genres", "films"],
        [
            [
                each.number,
                _lifts(each),
                "; ".join(_title(catalog, item, ids) for item in each.item_ids),
            ]
            for each in table
        ],
        title="Rated more than by all users",
    )
    return DONE


def _as_shown(segment: Segment, ids: Ids) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(segment)
    return fields | {"item_ids": [ids.item.show(item_id) for item_id in segment.item_ids]}


def _lifts(segment: Segment) -> str:
    return ", ".join(f"{each.genre} ×{each.lift:.2f}" for each in segment.genres)


def _title(catalog: Catalog, item_id: int, ids: Ids) -> str:
    film = catalog.get(item_id)
    return film.title if film is not None and film.title else f"film {ids.item.show(item_id)}"
