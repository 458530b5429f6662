"""ml-latest-small from GroupLens, fetched once."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

import httpx
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from reelstream.errors import AlreadyPublishedError, DatasetError
from reelstream.files import publish_folder, temporary_path, translate_errors

# The data's home: its terms ask that it be taken from there.
MOVIELENS_URL = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"

# Of ratings.csv in the release of September 2018.
RATINGS_SHA256 = "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646"

_FOLDER = "ml-latest-small"
_FILES = ("ratings.csv", "movies.csv", "links.csv", "README.txt")
# The download and each file in it are far smaller; more is something else.
_MAX_BYTES = 50_000_000


def fetch_movielens(
    cache_folder: Path,
    url: str = MOVIELENS_URL,
    ratings_sha256: str = RATINGS_SHA256,
    timeout: float = 10.0,
) -> Path:
    """The folder of ml-latest-small in `cache_folder`, downloaded when it is not there yet.

    `timeout` is in seconds, for the connection and for each read. Raises StorageError, or
    DatasetError when the download fails or is not the wanted release.
    """
    final = cache_folder / _FOLDER
    if not final.exists():
        _publish(_unpack(_download(url, timeout), url), final, ratings_sha256, url)
    ratings = final / "ratings.csv"
    with translate_errors(ratings):
        if hashlib.sha256(ratings.read_bytes()).hexdigest() != ratings_sha256:
            raise DatasetError(
                f"{ratings} is not what was downloaded: remove {final}, and it is fetched again"
            )
    return final


def _download(url: str, timeout: float) -> bytes:
    content = io.BytesIO()
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    try:
        with (
            Progress(*columns, transient=True) as progress,
            httpx.stream("GET", url, timeout=timeout, follow_redirects=True) as response,
        ):
            response.raise_for_status()
            length = response.headers.get("content-length", "")
            bar = progress.add_task(_FOLDER, total=int(length) if length.isdigit() else None)
            for part in response.iter_bytes():
                content.write(part)
                progress.advance(bar, len(part))
                if content.tell() > _MAX_BYTES:
                    raise DatasetError(
                        f"{url} sends more than {_MAX_BYTES} bytes: it is not {_FOLDER}"
                    )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise DatasetError(
            f"{url} could not be downloaded: {reason}: check the connection, or name a folder"
        ) from error
    return content.getvalue()


def _unpack(archive: bytes, url: str) -> dict[str, bytes]:
    """The known files of the archive by name: no path in it is followed, nothing else in it is
    read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as unzipped:
            # Only the last part of a name counts: an entry `../x` cannot lead out of the folder.
            chosen = {PurePosixPath(entry.filename).name: entry for entry in unzipped.infolist()}
            missing = [name for name in _FILES if name not in chosen]
            if missing or any(chosen[name].file_size > _MAX_BYTES for name in _FILES):
                raise DatasetError(
                    f"{url} is not {_FOLDER}: {', '.join(missing) or 'a file in it'} is missing or"
                    " too large"
                )
            return {name: unzipped.read(chosen[name]) for name in _FILES}
    # zipfile raises the second for an unknown compression, the third for a password.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DatasetError(
            f"{url} is not a zip archive that can be read: {error}: try again"
        ) from error


def _publish(files: dict[str, bytes], final: Path, ratings_sha256: str, url: str) -> None:
    found = hashlib.sha256(files["ratings.csv"]).hexdigest()
    if found != ratings_sha256:
        raise DatasetError(
            f"{url} holds other ratings than expected: SHA-256 {found} instead of {ratings_sha256}"
        )
    temporary = temporary_path(final)
    with translate_errors(final):
        temporary.mkdir(parents=True)
        for name, content in files.items():
            (temporary / name).write_bytes(content)
    # Another process may have fetched the same in the meantime.
    with suppress(AlreadyPublishedError):
        publish_folder(temporary, final)
    shutil.rmtree(temporary, ignore_errors=True)
