"""A file of a data set, wherever it lies and however it is packed, as plain text in UTF-8.

What a file is, is told by its first bytes. A plain file is read where it lies. One that is packed,
UTF-16, a table of columns, or that ends its lines as old Macs did is copied once, changed, into a
temporary folder which ends with the process; nothing is written beside the person's files.
"""

from __future__ import annotations

import codecs
import gzip
import shutil
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from reelstream.datasets.column_tables import is_table, write_as_csv
from reelstream.errors import DatasetError
from reelstream.files import TEMPORARY_PREFIX, translate_errors

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# As much of a file as is read to recognise it.
HEAD_BYTES: Final = 65_536

_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_TAR, _TAR_AT = b"ustar", 257
_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
_COPY_BYTES = 1 << 20
_UNPACKING_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    zstd.ZstdError,
    EOFError,
    NotImplementedError,  # a method of compression that zipfile lacks
    RuntimeError,  # a zip file with a password
)


@dataclass(frozen=True, slots=True, order=True)
class DataFile:
    """A file on the disk, or a member of an archive there."""

    path: Path
    """On the disk; of a table in several parts, their folder."""
    member: str | None = None
    """Its name in the archive."""

    @property
    def name(self) -> str:
        """What it is called once it is unpacked: `ratings.csv` for `ratings.csv.gz`."""
        name = PurePosixPath(self.member).name if self.member else self.path.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        return name

    def __str__(self) -> str:
        return _printable(f"{self.path}:{self.member}" if self.member else str(self.path))

    def head(self) -> bytes:
        """The beginning of what `plain` holds. Raises StorageError and DatasetError."""
        if is_parts_folder(self.path):
            return _read_beginning(self.plain())
        with self._open() as stream:
            head = _read_fully(stream, HEAD_BYTES)
        # Parquet and Arrow name their columns at the end of a file: no beginning says enough.
        if is_table(head):
            return _read_beginning(self.plain())
        text = _Text.of(head)
        return head if text.is_plain else text.converted(head, is_last=True)

    def plain(self) -> Path:
        """A file with the content as UTF-8 lines that end in LF or CR LF.

        Raises StorageError and DatasetError.
        """
        if is_parts_folder(self.path):
            return _plain_copy(self, 0)
        with translate_errors(self.path):
            # A part of the key under which a copy is found: a file that changes is copied anew.
            changed = self.path.stat().st_mtime_ns
        head = _read_beginning(self.path)
        is_packed = self.member is not None or head.startswith((_GZIP, _ZSTD)) or is_table(head)
        return _plain_copy(self, changed) if is_packed or not _Text.of(head).is_plain else self.path

    def write_plain(self, copy: Path) -> None:
        """Write what `plain` should hold into `copy`."""
        if is_parts_folder(self.path):
            write_as_csv(sorted(_parts(self.path)), copy)
            return
        with self._open() as stream, translate_errors(copy), open(copy, "wb") as file:
            head = _read_fully(stream, HEAD_BYTES)
            if is_table(head):
                file.write(head)
                shutil.copyfileobj(stream, file, _COPY_BYTES)
            else:
                text, block = _Text.of(head), head
                while block:
                    following = stream.read(_COPY_BYTES)
                    file.write(text.converted(block, is_last=not following))
                    block = following
        if is_table(head):
            # polars scans files on the disk, and this one may come out of an archive.
            table = copy.with_suffix(".table")
            copy.rename(table)
            write_as_csv([table], copy)
            table.unlink()

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        """The unpacked bytes."""
        with translate_errors(self.path), _unpacking_errors(self):
            if self.member is None:
                with open(self.path, "rb") as file:
                    yield _unpacked(file)
            elif _is_zip(self.path):
                with zipfile.ZipFile(self.path) as zipped, zipped.open(self.member) as file:
                    yield _unpacked(file)
            else:
                with tarfile.open(self.path) as tarred:
                    stored = tarred.extractfile(self.member)
                    if stored is None:
                        raise DatasetError(f"{self} is not a file")
                    yield _unpacked(stored)


def is_archive(path: Path) -> bool:
    """Whether a file on the disk holds other files. Raises StorageError."""
    return _is_zip(path) or _is_tar(path)


def files_in(folder: Path) -> list[DataFile]:
    """What may be data in a folder, by name; archives are not opened. Raises StorageError."""
    with translate_errors(folder):
        return [
            DataFile(path)
            for path in sorted(folder.iterdir())
            if not _is_hidden(path.name) and (path.is_file() or is_parts_folder(path))
        ]


def files_in_archive(path: Path) -> list[DataFile]:
    """What may be data in a zip or tar file, at any depth. Raises StorageError and DatasetError."""
    with translate_errors(path), _unpacking_errors(DataFile(path)):
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                names = [info.filename for info in archive.infolist() if not info.is_dir()]
        else:
            with tarfile.open(path) as packed:
                names = [info.name for info in packed.getmembers() if info.isfile()]
    visible = [name for name in names if not any(map(_is_hidden, PurePosixPath(name).parts))]
    return [DataFile(path, name) for name in sorted(visible)]


class _Text:
    """How a text file is written, and its bytes as UTF-8 with LF, block by block."""

    def __init__(self, encoding: str | None, has_bare_returns: bool) -> None:
        self.is_plain = encoding is None and not has_bare_returns
        self._has_bare_returns = has_bare_returns
        self._decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None

    @classmethod
    def of(cls, head: bytes) -> _Text:
        encoding = _utf16_of(head)
        # latin-1 decodes any bytes, and line ends are the same in all that is not UTF-16.
        text = head.decode(encoding, "replace") if encoding else head.decode("latin-1")
        return cls(encoding, "\r" in text and "\n" not in text)

    def converted(self, block: bytes, *, is_last: bool) -> bytes:
        if self._decoder is not None:
            # A codec with a fixed byte order leaves the mark in the text.
            block = self._decoder.decode(block, is_last).encode().removeprefix(codecs.BOM_UTF8)
        return block.replace(b"\r", b"\n") if self._has_bare_returns else block


def _utf16_of(head: bytes) -> str | None:
    """The encoding of a text in UTF-16, with a mark or without; None for any other."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if head.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    # Of a table of numbers and names every second byte is zero.
    for encoding, zeros, others in (
        ("utf-16-le", head[1:400:2], head[0:400:2]),
        ("utf-16-be", head[0:400:2], head[1:400:2]),
    ):
        if len(zeros) > 4 and zeros.count(0) > 0.9 * len(zeros) and others.count(0) == 0:
            return encoding
    return None


@cache
def _copies() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="reelstream-data-")


@cache
def _plain_copy(file: DataFile, changed: int) -> Path:
    """The copy of a file, made once; `changed` is when the file last changed."""
    # A number for each call that the cache did not answer: files of one name in two folders
    # get a copy each.
    number = _plain_copy.cache_info().misses
    copy = Path(_copies().name) / f"{number}-{file.name}"
    try:
        file.write_plain(copy)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    """What a stream holds that may be compressed itself."""
    first = _read_fully(stream, 4)
    stream.seek(0)
    if first.startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    if first == _ZSTD:
        return cast(IO[bytes], zstd.ZstdFile(stream))
    return stream


@contextmanager
def _unpacking_errors(file: DataFile) -> Iterator[None]:
    try:
        yield
    except _UNPACKING_ERRORS as error:
        why = _printable(str(error)[:300]) or type(error).__name__
        raise DatasetError(
            f"{file} cannot be unpacked: {why}; take the file from its source again"
        ) from error


def _printable(text: str) -> str:
    """With signs for a terminal's control, which names in a broken archive may hold, as escapes."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _is_zip(path: Path) -> bool:
    return _read_beginning(path, len(_ZIP)) == _ZIP


def _is_tar(path: Path) -> bool:
    try:
        # Unpacked bytes: `data.tar.gz` is an archive, `ratings.csv.gz` is not.
        with DataFile(path)._open() as stream:
            head = _read_fully(stream, _TAR_AT + len(_TAR))
    except DatasetError:
        return False
    return head[_TAR_AT:] == _TAR


def is_parts_folder(path: Path) -> bool:
    """Whether a folder is one table in parts, as Spark writes it."""
    if not path.is_dir():
        return False
    parts = list(_parts(path))
    others = [p for p in path.iterdir() if p not in parts and not p.name.startswith((".", "_"))]
    # A single file counts only under a name as Spark gives it: `parties.parquet` begins with
    # `part` as well.
    return bool(parts) and not others and (len(parts) > 1 or parts[0].name.startswith("part-"))


def _parts(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix in (".parquet", ".arrow") and path.name.startswith("part"):
            yield path


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_", TEMPORARY_PREFIX))


def _read_beginning(path: Path, size: int = HEAD_BYTES) -> bytes:
    with translate_errors(path), open(path, "rb") as file:
        return file.read(size)


def _read_fully(stream: IO[bytes], size: int) -> bytes:
    """`size` bytes, or all: a stream that unpacks gives fewer at a time."""
    blocks, missing = [], size
    while missing and (block := stream.read(missing)):
        blocks.append(block)
        missing -= len(block)
    return b"".join(blocks)
