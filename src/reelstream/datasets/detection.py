"""Which data set lies in a folder, told by what its files hold; names only decide between several
that fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reelstream.datasets.dataset import Dataset
from reelstream.datasets.films import FilmFileKind, recognise_films
from reelstream.datasets.layouts import read_head, recognise_ratings, recognise_scale
from reelstream.errors import DatasetError
from reelstream.files import TEMPORARY_PREFIX, translate_errors

_RATINGS_NAMES = ("ratings_small.csv", "ratings.csv", "ratings.dat", "u.data")
_LAYOUT_OF_SEPARATOR = {"::": "ml-1m", "\t": "ml-100k", ",": "ml-latest"}
_LOOKED_FOR = (
    "userId,movieId,rating,timestamp (ratings.csv of MovieLens, ratings_small.csv of The Movies"
    " Dataset), user::movie::rating::time (ratings.dat of ml-1m), or the same four separated by"
    " tabs (u.data of ml-100k)"
)


def detect(folder: Path) -> Dataset:
    """The data set in `folder`, or around `folder` when it is a ratings file itself.

    Raises StorageError, or DatasetError when it holds no ratings of a known layout, or several
    files of them.
    """
    if folder.is_file():
        return detect_file(folder)
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} does not exist: name a folder with ratings, or a ratings file"
        )
    candidates = [path for path in _files(folder) if recognise_ratings(read_head(path))]
    if not candidates:
        held = ", ".join(path.name for path in _files(folder)[:10]) or "nothing"
        raise DatasetError(
            f"{folder} holds no known data set. Looked for a file of {_LOOKED_FOR}; found {held}"
        )
    return detect_file(_choose(candidates, _RATINGS_NAMES))


def detect_file(path: Path) -> Dataset:
    """The data set whose ratings are in `path`, with the films of its folder.

    Raises StorageError, or DatasetError when the file's content is not ratings.
    """
    if not path.is_file():
        raise DatasetError(f"{path} is not a file: name a file of {_LOOKED_FOR}")
    head = read_head(path)
    ratings_format = recognise_ratings(head)
    if ratings_format is None:
        begin = head.split(b"\n")[0][:60].decode("latin-1")
        raise DatasetError(
            f"{path} holds no ratings: it begins {begin!r}. Looked for {_LOOKED_FOR}"
        )
    films = _film_files(path)
    layout = _LAYOUT_OF_SEPARATOR[ratings_format.separator]
    if layout == "ml-latest" and {"movies_metadata.csv", "links.csv"} <= set(films):
        layout = "the-movies-dataset"
    folder = path.parent
    scale = recognise_scale(path, ratings_format)
    return Dataset(folder.resolve().name, layout, folder, path, ratings_format, scale, films)


def _film_files(ratings_file: Path) -> dict[FilmFileKind, Path]:
    found: dict[FilmFileKind, list[Path]] = {}
    for path in _files(ratings_file.parent):
        if path != ratings_file and (kind := recognise_films(read_head(path))):
            found.setdefault(kind, []).append(path)
    # The Movies Dataset has links.csv for ratings.csv and links_small.csv for ratings_small.csv.
    small = ratings_file.stem.endswith("_small")
    return {
        kind: _choose(
            paths, ("links_small.csv", "links.csv") if small and kind == "links.csv" else (kind,)
        )
        for kind, paths in found.items()
    }


def _choose(candidates: Sequence[Path], names: Sequence[str]) -> Path:
    for name in names:
        for path in candidates:
            if path.name.lower() == name:
                return path
    if len(candidates) > 1:
        several = ", ".join(path.name for path in candidates[:10])
        raise DatasetError(
            f"{candidates[0].parent} holds several files of one kind, none named"
            f" {' or '.join(names)}: {several}. Rename the one that is meant, or name a ratings"
            " file itself"
        )
    return candidates[0]


def _files(folder: Path) -> list[Path]:
    """What may be data in a folder, by name."""
    with translate_errors(folder):
        return sorted(
            path
            for path in folder.iterdir()
            if path.is_file() and not path.name.startswith((".", TEMPORARY_PREFIX))
        )
