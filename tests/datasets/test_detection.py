"""A folder is recognised by what its files hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from reelstream.datasets import detect, detect_file
from reelstream.datasets.dataset import Dataset
from reelstream.datasets.inspection import inspect
from reelstream.errors import DatasetError
from reelstream.ratings.scale import RatingScale

FolderOf = Callable[[str], Path]
Ratings = list[tuple[int, int, int, int]]


def read(dataset: Dataset) -> Ratings:
    columns = dataset.read_ratings()
    return list(
        zip(
            columns.user_id.tolist(),
            columns.item_id.tolist(),
            columns.rating.tolist(),
            columns.timestamp.tolist(),
            strict=True,
        )
    )


def test_every_layout_is_read(layout: str, folder_of: FolderOf, expected_ratings: Ratings) -> None:
    """The same five ratings in each, by the quick way and row by row."""
    dataset = detect(folder_of(layout))
    assert (dataset.layout, dataset.name) == (layout, f"folder-{layout}")
    assert read(dataset) == expected_ratings
    rows = [row.event for row in dataset.rows("file")]
    assert [(r.user_id, r.item_id, r.rating, r.timestamp) for r in rows if r] == expected_ratings


def test_every_layout_has_its_films(
    layout: str, folder_of: FolderOf, expected_films: dict[int, tuple[str, int | None, list[str]]]
) -> None:
    """Titles without the year, accents, genres; the metadata lacks film 30, which stays
    untitled.
    """
    catalog = detect(folder_of(layout)).read_catalog().catalog
    got = {film.item_id: (film.title, film.year, list(film.genres)) for film in catalog}
    expected = dict(expected_films)
    if layout == "the-movies-dataset":
        expected[30] = ("", None, [])
    assert got == expected


def test_names_do_not_matter(layout: str, folder_of: FolderOf, expected_ratings: Ratings) -> None:
    """Files that somebody renamed are what they were."""
    folder = folder_of(layout)
    dataset = detect(folder)
    films = list(dataset.read_catalog().catalog)
    kept = {dataset.ratings_file, *(file.path for file in dataset.film_files.values())}
    for path in list(folder.iterdir()):
        if path not in kept:
            path.unlink()
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"file-{number}.txt")
    renamed = detect(folder)
    assert renamed.layout == layout
    assert read(renamed) == expected_ratings
    assert list(renamed.read_catalog().catalog) == films


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("last_line_end", [True, False])
def test_header_and_line_ends_do_not_matter(
    layout: str,
    folder_of: FolderOf,
    expected_ratings: Ratings,
    header: bool,
    line_end: str,
    last_line_end: bool,
) -> None:
    """With a header or not, CR LF or LF, ended or not."""
    dataset = detect(folder_of(layout))
    separator = dataset.ratings_format.separator
    lines = [separator.join(map(str, row)) for row in expected_ratings]
    names = [separator.join(("userId", "movieId", "rating", "timestamp"))] if header else []
    text = line_end.join(names + lines) + line_end * last_line_end
    dataset.ratings_file.write_bytes(text.encode())
    again = detect(dataset.folder)
    assert read(again) == expected_ratings
    assert len(again.rows("time")) == len(expected_ratings)


def test_the_film_files_may_lack_their_headers(folder_of: FolderOf) -> None:
    """movies.csv and links.csv are known by their lines too."""
    folder = folder_of("ml-latest")
    with_headers = list(detect(folder).read_catalog().catalog)
    for name in ("movies.csv", "links.csv"):
        path = folder / name
        path.write_text(
            "\r\n".join(path.read_text(encoding="utf-8").splitlines()[1:]), encoding="utf-8"
        )
    assert list(detect(folder).read_catalog().catalog) == with_headers


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    """The header says which is which."""
    path = tmp_path / "mine.csv"
    path.write_text(
        '\ufeff"timestamp","rating","item_id","note","user_id"\n978300760,4.5,10,"a,'
        ' b",1\n9,2,20,,2\n'
    )
    assert read(detect_file(path)) == [(1, 10, 4.5, 978300760), (2, 20, 2.0, 9)]
    assert [row.event.timestamp for row in detect_file(path).rows("time") if row.event] == [
        9,
        978300760,
    ]


def test_a_part_of_a_data_set_takes_the_films_of_its_folder(
    folder_of: FolderOf, expected_ratings: Ratings
) -> None:
    """u1.base and u1.test of ml-100k."""
    folder = folder_of("ml-100k")
    base, test = detect_file(folder / "u1.base"), detect(folder / "u1.test")
    assert read(base) + read(test) == expected_ratings
    assert len(base.read_catalog().catalog) == 3
    assert base.scale == RatingScale(1.0, 5.0, 1.0)


def test_ratings_without_films_have_an_empty_catalogue(tmp_path: Path) -> None:
    """`evaluate --train FILE` needs no films."""
    path = tmp_path / "train.tsv"
    path.write_text("1\t2\t3\t4\n")
    assert len(detect_file(path).read_catalog().catalog) == 0


def test_the_large_files_go_together_and_so_do_the_small(folder_of: FolderOf) -> None:
    """The Movies Dataset holds both; links_small.csv names the films of ratings_small.csv only."""
    folder = folder_of("the-movies-dataset")
    (folder / "links.csv").write_text((folder / "links_small.csv").read_text() + "40,0000040,10\n")
    (folder / "ratings.csv").write_text((folder / "ratings_small.csv").read_text())
    assert detect(folder).ratings_file.name == "ratings_small.csv"
    assert len(detect(folder).read_catalog().catalog) == 3
    assert len(detect_file(folder / "ratings.csv").read_catalog().catalog) == 4


@pytest.mark.parametrize(
    ("separator", "ratings", "scale"),
    [
        (",", [1, 2, 3, 4, 5], RatingScale(0.5, 5.0, 0.5, 4.0)),
        ("::", [1, 2, 3, 4, 5], RatingScale(1.0, 5.0, 1.0, 4.0)),
        ("\t", [1, 2, 3, 4, 5], RatingScale(1.0, 5.0, 1.0, 4.0)),
        ("::", [1, 2.5, 3, 4.5, 5], RatingScale(0.5, 5.0, 0.5, 4.0)),
        (",", [1, 7, 10, 4, 5], RatingScale(1.0, 10.0, 1.0, 8.0)),
        (",", [1, 4.5, 11, 4, 5], RatingScale(0.5, 5.0, 0.5, 4.0)),
        (",", [*[3.5] * 40, 9], RatingScale(0.5, 5.0, 0.5, 4.0)),
    ],
)
def test_the_scale_follows_from_the_ratings(
    tmp_path: Path, separator: str, ratings: list[float], scale: RatingScale
) -> None:
    """A few ratings off the scale are errors, not another scale."""
    path = tmp_path / "ratings"
    path.write_text(
        "".join(separator.join(map(str, (1, n, r, 9))) + "\n" for n, r in enumerate(ratings))
    )
    assert detect_file(path).scale == scale


def test_the_scale_is_seen_deep_in_a_large_file(tmp_path: Path) -> None:
    """ML-10M's half stars begin after its first users."""
    path = tmp_path / "ratings.dat"
    path.write_text("1::122::5::838985046\n" * 50_000 + "2::122::4.5::838985046\n" * 50_000)
    assert detect_file(path).scale == RatingScale()


def test_the_caller_may_set_the_scale(folder_of: FolderOf) -> None:
    """And only the scale changes."""
    dataset = detect(folder_of("ml-latest"))
    ten = RatingScale(1.0, 10.0, 1.0, 8.0)
    assert dataset.with_scale(ten).scale == ten
    assert dataset.with_scale(ten).fingerprint == dataset.fingerprint


def test_the_fingerprint_is_the_content_of_the_ratings(folder_of: FolderOf) -> None:
    """SHA-256, so that a copy elsewhere is the same data set."""
    dataset = detect(folder_of("ml-1m"))
    assert dataset.fingerprint == hashlib.sha256(dataset.ratings_file.read_bytes()).hexdigest()


def test_a_folder_without_ratings_is_refused(tmp_path: Path) -> None:
    """The message says what was looked for, and what is there."""
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,2,funny,3\n")
    with pytest.raises(
        DatasetError, match=r"userId,movieId,rating,timestamp.*found notes\.txt, tags\.csv"
    ):
        detect(tmp_path)
    with pytest.raises(DatasetError, match="does not exist"):
        detect(tmp_path / "nowhere")


def test_a_file_that_is_not_ratings_is_refused(tmp_path: Path) -> None:
    """The message quotes its beginning."""
    path = tmp_path / "train.csv"
    for content in (b"name,age\nAda,36\n", b"", b"1,2,3\n"):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"train\.csv holds no ratings"):
            detect_file(path)
    with pytest.raises(DatasetError, match="is not a file"):
        detect_file(tmp_path)


def test_several_files_that_could_be_meant_are_not_guessed_between(tmp_path: Path) -> None:
    """The person has to say which."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("1,2,3.5,4\n")
    with pytest.raises(DatasetError, match=r"a\.csv, b\.csv"):
        detect(tmp_path)


def test_an_archive_beside_the_ratings_is_not_opened(folder_of: FolderOf) -> None:
    """Plain ratings count first: a damaged archive beside them does no harm."""
    folder = folder_of("ml-latest")
    (folder / "backup.zip").write_bytes(b"PK\x03\x04 and no more")
    assert detect(folder).ratings_file == folder / "ratings.csv"


@pytest.mark.parametrize(
    "text",
    [
        "userId,movieId,rating,timestamp\n1,2,3,978300760000\n",
        '{"userId":1,"movieId":2,"rating":3,"timestamp":978300760000}\n',
    ],
)
def test_milliseconds_and_missing_films_are_said(tmp_path: Path, text: str) -> None:
    """Both change what the ratings mean, or what answers show."""
    path = tmp_path / "ratings.csv"
    path.write_text(text)
    notes = detect_file(path).notes
    assert any("milliseconds" in note for note in notes)
    assert any("no film file" in note for note in notes)


def test_ratings_of_one_time_are_said(tmp_path: Path) -> None:
    """A constant column of times says as little as none."""
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,2,3,0\n1,3,3,0\n")
    assert any("same time" in note for note in inspect(detect_file(path)).notes)
