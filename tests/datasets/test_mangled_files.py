"""Whatever happened to a file: it is read, or refused in one sentence, and left as it is."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reelstream.datasets import detect
from reelstream.datasets.inspection import inspect
from reelstream.errors import InputError, ReelstreamError

COLUMNS = ("userId", "movieId", "rating", "timestamp")
OTHER_NAMES = (
    {"userId": "User-ID", "movieId": "isbn", "rating": "Book-Rating", "timestamp": "date"},
    {"userId": "uid", "movieId": "item_id", "rating": "stars", "timestamp": "when"},
)
MOVIES = "movieId,title,genres\n" + "".join(
    f'{item},"Fílm {item}, The (19{item})",Drama|Crime\n' for item in range(10, 40)
)
INSERTED = (
    b'"', b"\0", b"\r", b"\n\n", b",,,", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9", b"nan", b"1e400",
    b"9" * 400, b"[", b"{", b"null",
)  # fmt: skip
BEGINNINGS = (b"sep=;\r\n", b"\n\n", b"# note\n", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\0")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32", "cp1252")
FILE_NAMES = ("ratings.csv", "ratings.dat", "u.data", "any.txt", "ratings.csv.gz", "all.zip")
Row = tuple[int, int, float, int]


def rows_of(source: random.Random) -> list[Row]:
    return [
        (
            source.randrange(1, 40),
            source.randrange(10, 60),
            source.randrange(1, 11) / 2,
            964_982_703 + source.randrange(10**8),
        )
        for _ in range(source.randrange(1, 40))
    ]


def as_table(source: random.Random, rows: list[Row], *, is_sound: bool) -> str:
    """With any separator and line end; an unsound one may lack a column, or its header."""
    names = {} if is_sound or source.random() < 0.7 else source.choice(OTHER_NAMES)
    order = list(COLUMNS)
    source.shuffle(order)
    if not is_sound and source.random() < 0.2:
        order.pop()
    separator = source.choice((",", ";", "\t", "|", "::", " "))
    lines = [separator.join(names.get(name, name) for name in order)]
    for row in rows:
        cells = dict(zip(COLUMNS, map(str, row), strict=True))
        lines.append(separator.join(cells[name] for name in order))
    if not is_sound and source.random() < 0.2:
        lines.pop(0)
    return source.choice(("\n", "\r\n", "\r")).join([*lines, ""])


def cut(source: random.Random, data: bytes) -> bytes:
    return data[: source.randrange(len(data))]


def leave_out(source: random.Random, data: bytes) -> bytes:
    place = source.randrange(len(data))
    return data[:place] + data[place + source.randrange(1, 40) :]


def insert(source: random.Random, data: bytes) -> bytes:
    place = source.randrange(len(data))
    return data[:place] + source.choice(INSERTED) + data[place:]


def scatter(source: random.Random, data: bytes) -> bytes:
    return bytes(each if source.random() > 0.02 else source.randrange(256) for each in data)


def begin(source: random.Random, data: bytes) -> bytes:
    return source.choice(BEGINNINGS) + data


def encode_anew(source: random.Random, data: bytes) -> bytes:
    return data.decode("latin-1").encode(source.choice(ENCODINGS), "replace")


def mix_encodings(source: random.Random, data: bytes) -> bytes:
    place = source.randrange(len(data))
    return data[:place] + encode_anew(source, data[place:])


def pack(_: random.Random, data: bytes) -> bytes:
    return gzip.compress(data)


MANGLERS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    cut, leave_out, insert, scatter, begin, encode_anew, mix_encodings, pack,
)  # fmt: skip


def mangle(source: random.Random, data: bytes) -> bytes:
    for _ in range(source.randrange(1, 4)):
        if data:
            data = source.choice(MANGLERS)(source, data)
    return data


def write_folder(folder: Path, source: random.Random, rows: list[Row], *, is_sound: bool) -> None:
    ratings = as_table(source, rows, is_sound=is_sound).encode()
    movies = MOVIES.encode()
    if not is_sound:
        movies = mangle(source, movies)
    name = source.choice(FILE_NAMES)
    if name == "all.zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("any/ratings.csv", ratings)
            archive.writestr("any/movies.csv", movies)
        ratings = buffer.getvalue()
    elif name.endswith(".gz"):
        ratings = gzip.compress(ratings)
    (folder / name).write_bytes(ratings if is_sound else mangle(source, ratings))
    (folder / "movies.csv").write_bytes(movies)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("first_seed", range(0, 240, 60))
def test_a_mangled_file_is_read_or_refused_in_one_sentence(tmp_path: Path, first_seed: int) -> None:
    """Both ways to read agree on what it holds, and no file is changed."""
    refused = 0
    for seed in range(first_seed, first_seed + 60):
        source = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        write_folder(folder, source, rows_of(source), is_sound=False)
        before = content_of(folder)
        try:
            dataset = detect(folder)
            found = inspect(dataset)
        except ReelstreamError as error:
            refused += 1
            assert str(error).isprintable(), seed
            assert len(str(error)) < 1000, seed
        else:
            assert found.accepted + found.rejected == found.rows, seed
            one_by_one = sum(row.event is not None for row in dataset.rows("file"))
            assert one_by_one == found.accepted, seed
        assert content_of(folder) == before, seed
    assert 0 < refused < 60


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_file_is_read_rightly_however_it_is_written(tmp_path: Path, seed: int) -> None:
    """Any order of columns, separator, line end and packing."""
    source = random.Random(seed)
    rows = rows_of(source)
    write_folder(tmp_path, source, rows, is_sound=True)
    read = [event for row in detect(tmp_path).rows("file") if (event := row.event) is not None]
    assert [(each.user_id, each.item_id, each.rating, each.timestamp) for each in read] == rows


def test_a_row_without_its_last_cell_is_rejected_though_nobody_needs_it(tmp_path: Path) -> None:
    """Alone and in columns; an empty last cell is there."""
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,note\n1,10,4,good\n2,10,4,\n3,10,4\n4,10,4,fine\n"
    )
    dataset = detect(tmp_path)
    alone = [row.event.user_id for row in dataset.rows("file") if row.event is not None]
    in_columns = [block.events.user_id.tolist() for block in dataset.blocks()]
    assert [alone] == in_columns == [[1, 2, 4]]


def test_a_refusal_shows_what_is_no_text_in_escapes(tmp_path: Path) -> None:
    text = "userId,what,rating\n1,2,3\n1,3,4\n"
    (tmp_path / "ratings.csv").write_text(text.replace("what", "w\0\x1bhat"))
    with pytest.raises(InputError, match=r"has the columns userId, 'w\\x00\\x1bhat', rating"):
        detect(tmp_path)
