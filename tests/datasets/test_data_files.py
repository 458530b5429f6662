"""Files in every common packing are read as the plain file is, and none of them is changed."""

from __future__ import annotations

import codecs
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from backports import zstd

from reelstream.datasets import detect
from reelstream.datasets.dataset import Dataset
from reelstream.errors import DatasetError
from reelstream.ratings.events import Rated

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,978300760\n2,20,3.5,978302109\n"
MOVIES = "movieId,title,genres\n10,Léon (1994),Crime|Drama\n20,Up (2009),\n"
EXPECTED = [Rated(1, 10, 4.0, 978300760), Rated(2, 20, 3.5, 978302109)]


def zipped(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(content: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


CONTENT = {"ml/ratings.csv": RATINGS.encode(), "ml/movies.csv": MOVIES.encode(),
           "__MACOSX/ml/._ratings.csv": b"\x00"}  # fmt: skip
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "mark": lambda text: codecs.BOM_UTF8 + text,
    "utf-16-le": lambda text: codecs.BOM_UTF16_LE + text.decode().encode("utf-16-le"),
    "utf-16-be": lambda text: codecs.BOM_UTF16_BE + text.decode().encode("utf-16-be"),
    "utf-16 without a mark": lambda text: text.decode().encode("utf-16-le"),
    "old Macs": lambda text: text.replace(b"\n", b"\r"),
    "Windows": lambda text: text.replace(b"\n", b"\r\n"),
    "gzip": gzip.compress,
    "gzip in two parts": lambda text: gzip.compress(text[:50]) + gzip.compress(text[50:]),
    "zstd": zstd.compress,
    "utf-16 in gzip": lambda text: gzip.compress(text.decode().encode("utf-16")),
}


def check(dataset: Dataset) -> None:
    assert [row.event for row in dataset.rows("time")] == EXPECTED
    assert list(dataset.read_ratings().events()) == EXPECTED
    titles = [film.title for film in dataset.read_catalog().catalog]
    assert titles == ["Léon", "Up"]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_packed_file_is_read_where_it_lies(tmp_path: Path, packing: str) -> None:
    """Ratings and films alike; names say nothing, and nothing is written beside them."""
    for name, text in (("ratings.csv", RATINGS), ("movies.csv", MOVIES)):
        (tmp_path / name).write_bytes(PACKINGS[packing](text.encode()))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    check(detect(tmp_path))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "packed",
    [zipped(CONTENT), tarred(CONTENT), tarred(CONTENT, "w:gz")],
    ids=["zip", "tar", "tar.gz"],
)
def test_an_archive_is_a_data_set(tmp_path: Path, packed: bytes) -> None:
    """Named itself, or lying in the folder that is named."""
    path = tmp_path / "ml.bin"
    path.write_bytes(packed)
    check(detect(path))
    check(detect(tmp_path))
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "ratings.csv").write_text(RATINGS)
    assert detect(path).fingerprint == detect(plain).fingerprint


def test_a_data_set_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    """As archives unpack; two of them are not guessed between."""
    for name in ("ml-a", "ml-b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "movies.csv").write_text(MOVIES, encoding="utf-8")
    (tmp_path / "ml-a" / "ratings.csv").write_text(RATINGS)
    check(detect(tmp_path))
    (tmp_path / "ml-b" / "ratings.csv").write_text(RATINGS)
    with pytest.raises(DatasetError, match=r"several data sets: .*ml-a.*ml-b"):
        detect(tmp_path)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("in_parts", [False, True])
def test_tables_of_columns_are_read(tmp_path: Path, kind: str, in_parts: bool) -> None:
    """One file, or a folder of parts as Spark writes it; with times and lists as types."""
    ratings = pl.read_csv(RATINGS.encode()).with_columns(
        pl.from_epoch("timestamp").dt.replace_time_zone("UTC")
    )
    movies = pl.read_csv(MOVIES.encode()).with_columns(pl.col("genres").str.split("|"))

    def write(table: pl.DataFrame, name: str) -> None:
        path = tmp_path / name
        if in_parts:
            path.mkdir()
            parts = [(path / f"part-{n}.{kind}", table[n : n + 1]) for n in range(len(table))]
            (path / "_SUCCESS").touch()
        else:
            parts = [(path, table)]
        for part, rows in parts:
            rows.write_parquet(part) if kind == "parquet" else rows.write_ipc(part)

    write(ratings, f"ratings.{kind}")
    write(movies, f"movies.{kind}")
    check(detect(tmp_path))
    check(detect(tmp_path / f"ratings.{kind}"))


def test_films_may_be_lines_of_json(tmp_path: Path) -> None:
    """Lists of genres as JSON has them."""
    (tmp_path / "ratings.csv").write_text(RATINGS)
    (tmp_path / "movies.json").write_text(
        '{"movieId":10,"title":"Léon (1994)","genres":["Crime","Drama"]}\n'
        '{"movieId":20,"genres":[],"title":"Up (2009)"}\n',
        encoding="utf-8",
    )
    check(detect(tmp_path))


@pytest.mark.parametrize("name", ["ratings.csv.gz", "ml.zip", "ratings.csv.zst", "ratings.parquet"])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    """Cut off in the middle."""
    whole = {
        "ratings.csv.gz": gzip.compress(RATINGS.encode()),
        "ml.zip": zipped(CONTENT),
        "ratings.csv.zst": zstd.compress(RATINGS.encode()),
        "ratings.parquet": b"PAR1" + bytes(100),
    }[name]
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="take the file from its source again"):
        detect(path)
