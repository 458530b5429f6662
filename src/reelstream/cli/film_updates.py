"""What a work folder knows of films, brought up to date with a data set's film files."""

from __future__ import annotations

from typing import NamedTuple

from reelstream.cli.notices import print_notice
from reelstream.datasets import CatalogRead
from reelstream.storage.work_folder import WorkFolder


class FilmUpdate(NamedTuple):
    """What became of the films."""

    films: int
    """In the work folder by now."""
    added: int
    changed: int


def update_films(folder: WorkFolder, read: CatalogRead) -> FilmUpdate:
    """Add new films and change those of which the files say something else; none is removed, and
    what the files do not say stays. Raises StorageError.
    """
    known = folder.read_catalog()
    films = known.updated_with(read.catalog)
    added = len(films) - len(known)
    changed = sum(known.get(film.item_id) != film for film in films) - added
    if added or changed or not folder.films.exists():
        films.write(folder.films)
    return FilmUpdate(len(films), added, changed)


def say_what_was_read(read: CatalogRead, name: str) -> None:
    """Print what is notable of film files."""
    for note in read.notes:
        print_notice(note)
    if read.skipped:
        print_notice(f"{read.skipped} rows of the films of {name} cannot be read and are left out")
