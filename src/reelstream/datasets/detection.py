"""Which data set lies in a folder, told by what its files hold; names only decide between several
that fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reelstream.datasets.data_file import (
    DataFile,
    files_in,
    files_in_archive,
    is_archive,
    is_parts_folder,
)
from reelstream.datasets.dataset import Dataset
from reelstream.datasets.film_files import FilmFileKind, recognise_films
from reelstream.datasets.films import CatalogRead, read_films
from reelstream.datasets.headers import NO_NAMES, ColumnNames
from reelstream.datasets.id_kinds import recognise_kind
from reelstream.datasets.layouts import (
    RatingsFormat,
    Refusal,
    counts_milliseconds,
    recognise_ratings,
)
from reelstream.datasets.samples import sampled_rows
from reelstream.datasets.scales import recognise_scale
from reelstream.errors import DatasetError
from reelstream.ratings.ids import NUMBERS, Ids, NumberIds, TextIds

_RATINGS_NAMES = ("ratings_small.csv", "ratings.csv", "ratings.dat", "u.data")
_LAYOUT_OF_SEPARATOR = {"::": "ml-1m", "\t": "ml-100k", ",": "ml-latest", "": "json-lines"}
_OTHER_LAYOUT = "columns"
_LOOKED_FOR = (
    "userId,movieId,rating,timestamp (ratings.csv of MovieLens, ratings_small.csv of The Movies"
    " Dataset), user::movie::rating::time (ratings.dat of ml-1m), the same four separated by"
    " tabs (u.data of ml-100k), or a table whose header names them"
)


def detect(folder: Path, columns: ColumnNames = NO_NAMES) -> Dataset:
    """The data set in `folder`, in an archive, or around `folder` when it is a ratings file itself.

    Where the folder itself has no ratings, those in its archives count, then those in the folders
    below it. `columns` are those that a person named.

    Raises StorageError, or DatasetError when it holds no ratings of a known layout, or several
    files of them.
    """
    if folder.is_file():
        return _in_archive(folder, columns) if is_archive(folder) else detect_file(folder, columns)
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} does not exist: name a folder with ratings, or a ratings file"
        )
    if is_parts_folder(folder):
        return _from_file(DataFile(folder), columns)
    files = files_in(folder)
    refusals: list[str] = []
    for groups in _groups(folder, files):
        found = [dataset for group in groups if (dataset := _among(group, columns, refusals))]
        if len(found) > 1:
            several = ", ".join(str(each.ratings) for each in found[:10])
            raise DatasetError(f"{folder} holds several data sets: {several}. Name one of them")
        if found:
            return found[0]
    if refusals:
        raise DatasetError(refusals[0])
    held = ", ".join(file.path.name for file in files[:10]) or "nothing"
    raise DatasetError(
        f"{folder} holds no known data set. Looked for a file of {_LOOKED_FOR}; found {held}"
    )


def _groups(folder: Path, files: Sequence[DataFile]) -> Iterator[list[list[DataFile]]]:
    """The files of a folder that lie together, the nearest first: its own, those of each archive in
    it, those of each folder below it. An archive is opened only when its turn comes.
    """
    # A folder in parts is a file here, and only files can be archives.
    plain = [file for file in files if file.path.is_dir() or not is_archive(file.path)]
    yield [plain]
    yield [files_in_archive(file.path) for file in files if file not in plain]
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]
    yield [files_in(path) for path in below]


def detect_file(path: Path, columns: ColumnNames = NO_NAMES) -> Dataset:
    """The data set whose ratings are in `path`, with the films of its folder.

    Raises StorageError, or DatasetError when the file's content is not ratings.
    """
    if not path.is_file():
        raise DatasetError(f"{path} is not a file: name a file of {_LOOKED_FOR}")
    if is_archive(path):
        return _in_archive(path, columns)
    return _from_file(DataFile(path), columns)


def read_film_files(
    path: Path, columns: ColumnNames = NO_NAMES, ids: NumberIds | TextIds = NUMBERS.item
) -> CatalogRead:
    """The films in a folder, an archive, or a film file, whether ratings lie there or not; `ids`
    are those of a stream's items.

    Raises StorageError, or DatasetError when there are none.
    """
    if path.is_dir() and not is_parts_folder(path):
        files = [file for file in files_in(path) if file.path.is_dir() or not is_archive(file.path)]
    elif not path.exists():
        raise DatasetError(f"{path} does not exist: name a folder with films, or a film file")
    else:
        files = files_in_archive(path) if path.is_file() and is_archive(path) else [DataFile(path)]
    found = _film_files(None, files, columns)
    if not found:
        raise DatasetError(
            f"{path} holds no film file: its header needs an item and a title, such as movieId and "
            "title"
        )
    return read_films(found, columns, ids)


def _from_file(file: DataFile, columns: ColumnNames) -> Dataset:
    head = file.head()
    recognised = recognise_ratings(head, columns)
    if isinstance(recognised, Refusal) and recognised.is_meant:
        raise DatasetError(f"{file} {recognised.reason}")
    if not isinstance(recognised, RatingsFormat):
        why = f": it {recognised.reason}" if recognised else f": it begins {_beginning(head)}"
        raise DatasetError(f"{file} holds no ratings{why}. Looked for {_LOOKED_FOR}")
    return _dataset(file, recognised, files_in(file.path.parent), columns)


def _in_archive(path: Path, columns: ColumnNames) -> Dataset:
    files, refusals = files_in_archive(path), list[str]()
    dataset = _among(files, columns, refusals)
    if dataset is None:
        held = ", ".join(file.name for file in files[:10]) or "nothing"
        raise DatasetError(
            refusals[0]
            if refusals
            else f"{path} holds no ratings. Looked for a file of {_LOOKED_FOR}; found {held}"
        )
    return dataset


def _among(files: Sequence[DataFile], columns: ColumnNames, refusals: list[str]) -> Dataset | None:
    """The data set among the files of one folder or archive; None when there is none.

    Files that look as if they were meant, and are refused, are added to `refusals`.
    """
    candidates = {}
    for file in files:
        recognised = recognise_ratings(file.head(), columns)
        if isinstance(recognised, RatingsFormat):
            candidates[file] = recognised
        elif recognised is not None and (recognised.is_meant or file.name in _RATINGS_NAMES):
            refused = f"{file} {recognised.reason}"
            # A file of this name is meant before any other that can be read.
            if file.name.lower() in _RATINGS_NAMES:
                raise DatasetError(refused)
            refusals.append(refused)
    if not candidates:
        return None
    chosen = _choose(list(candidates), _RATINGS_NAMES)
    return _dataset(chosen, candidates[chosen], files, columns)


def _dataset(
    ratings: DataFile,
    ratings_format: RatingsFormat,
    beside: Sequence[DataFile],
    columns: ColumnNames,
) -> Dataset:
    films = _film_files(ratings, beside, columns)
    layout = _LAYOUT_OF_SEPARATOR.get(ratings_format.separator, _OTHER_LAYOUT)
    # The ratings of both are written alike; only the film files tell them apart.
    if layout == "ml-latest" and {"movies_metadata.csv", "links.csv"} <= set(films):
        layout = "the-movies-dataset"
    folder = ratings.path.parent
    # Resolved, because `.` has no name.
    name = folder.resolve().name if ratings.member is None else ratings.path.name
    sampled = list(sampled_rows(ratings.plain(), ratings_format))
    kinds = {
        role: recognise_kind((cells[place] for cells in sampled), name)
        for role, place, name in (
            ("user", ratings_format.user, ratings_format.column_names()["user"]),
            ("item", ratings_format.item, ratings_format.column_names()["item"]),
        )
    }
    return Dataset(
        name=name,
        layout=layout,
        folder=folder,
        ratings=ratings,
        ratings_format=ratings_format,
        scale=recognise_scale(sampled, ratings_format),
        film_files=films,
        columns=columns,
        layout_notes=tuple(_notes(ratings, ratings_format, films)),
        ids=Ids.of_kinds(**kinds),
    )


def _notes(
    ratings: DataFile, ratings_format: RatingsFormat, films: Mapping[FilmFileKind, DataFile]
) -> Iterator[str]:
    yield from ratings_format.notes
    if counts_milliseconds(ratings.head(), ratings_format):
        yield "times are milliseconds: they are cut to seconds"
    if not films:
        yield "there is no film file beside the ratings: films have no titles"


def _film_files(
    ratings: DataFile | None, beside: Sequence[DataFile], columns: ColumnNames
) -> dict[FilmFileKind, DataFile]:
    found: dict[FilmFileKind, list[DataFile]] = {}
    for file in beside:
        if file != ratings and (recognised := _recognise_films(file, columns)):
            found.setdefault(recognised, []).append(file)
    # The Movies Dataset has links.csv for ratings.csv and links_small.csv for ratings_small.csv.
    small = ratings is not None and ratings.name.rpartition(".")[0].endswith("_small")
    return {
        kind: _choose(
            files, ("links_small.csv", "links.csv") if small and kind == "links.csv" else (kind,)
        )
        for kind, files in found.items()
    }


def _recognise_films(file: DataFile, columns: ColumnNames) -> FilmFileKind | None:
    recognised = recognise_films(file.head(), columns)
    # Ratings need no films, but whoever has a file of this name expects titles from it.
    if recognised is None and file.name.lower() in ("movies.csv", "movies_metadata.csv"):
        first = _beginning(file.head())
        raise DatasetError(
            f"{file} has no columns for item and title: it begins {first}. Name them with "
            "--columns item=…,title=…,genres=…,year=…"
        )
    return recognised.kind if recognised else None


def _choose(candidates: Sequence[DataFile], names: Sequence[str]) -> DataFile:
    for name in names:
        for file in candidates:
            if file.name.lower() == name:
                return file
    if len(candidates) > 1:
        several = ", ".join(file.name for file in candidates[:10])
        raise DatasetError(
            f"{candidates[0].path.parent} holds several files of one kind, none named"
            f" {' or '.join(names)}: {several}. Rename the one that is meant, or name a ratings"
            " file itself"
        )
    return candidates[0]


def _beginning(head: bytes) -> str:
    return repr(head.split(b"\n")[0][:60].decode("latin-1"))
