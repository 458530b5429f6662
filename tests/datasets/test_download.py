"""The download: checked, unpacked without trust, placed whole; every failure is one clear error."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reelstream.datasets import detect, fetch_movielens
from reelstream.errors import DatasetError

FILES = {
    "ml-latest-small/README.txt": b"Summary",
    "ml-latest-small/ratings.csv": b"userId,movieId,rating,timestamp\r\n1,2,3.5,978300760\r\n",
    "ml-latest-small/movies.csv": b"movieId,title,genres\r\n2,Heat (1995),Crime\r\n",
    "ml-latest-small/links.csv": b"movieId,imdbId,tmdbId\r\n2,0113277,949\r\n",
    "ml-latest-small/tags.csv": b"userId,movieId,tag,timestamp\r\n",
}
SHA256 = hashlib.sha256(FILES["ml-latest-small/ratings.csv"]).hexdigest()


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


class Home:
    """What the local server answers, and how often it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status, self.body, self.announced = 200, zipped(FILES), 0
        self.asked = 0


@pytest.fixture
def home() -> Iterator[Home]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked += 1
            self.send_response(state.status)
            self.send_header("Content-Length", str(state.announced or len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Home(f"http://127.0.0.1:{server.server_port}/ml-latest-small.zip")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_data_set_is_fetched_once(home: Home, tmp_path: Path) -> None:
    """The second time it is taken from the cache."""
    folder = fetch_movielens(tmp_path / "cache", home.url, SHA256)
    assert fetch_movielens(tmp_path / "cache", home.url, SHA256) == folder
    assert home.asked == 1
    dataset = detect(folder)
    assert (dataset.name, dataset.fingerprint, len(dataset.read_catalog().catalog)) == (
        "ml-latest-small",
        SHA256,
        1,
    )


def _status(home: Home) -> None:
    home.status = 503


def _not_a_zip(home: Home) -> None:
    home.body = b"<html>maintenance</html>"


def _cut(home: Home) -> None:
    home.announced = len(home.body) + 1000


def _damaged(home: Home) -> None:
    middle = home.body.index(b"978300760")
    home.body = home.body[:middle] + b"9" * 9 + home.body[middle + 9 :]


def _other_ratings(home: Home) -> None:
    home.body = zipped({**FILES, "ml-latest-small/ratings.csv": b"1,2,3,4\n"})


def _without_movies(home: Home) -> None:
    home.body = zipped({name: data for name, data in FILES.items() if "movies" not in name})


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (_status, "503"),
        (_not_a_zip, "not a zip archive"),
        (_cut, "could not be downloaded"),
        (_damaged, "not a zip archive"),
        (_other_ratings, "other ratings than expected"),
        (_without_movies, r"movies\.csv is missing"),
    ],
)
def test_a_failed_download_leaves_nothing(
    home: Home, tmp_path: Path, break_it: Callable[[Home], None], reason: str
) -> None:
    """The reason is given, and the next try begins anew."""
    good = home.body
    break_it(home)
    with pytest.raises(DatasetError, match=reason):
        fetch_movielens(tmp_path, home.url, SHA256)
    assert list(tmp_path.iterdir()) == []
    home.status, home.body, home.announced = 200, good, 0
    assert fetch_movielens(tmp_path, home.url, SHA256).is_dir()


def test_paths_in_the_archive_are_not_followed(home: Home, tmp_path: Path) -> None:
    """Only the known names are written, and only into the cache."""
    home.body = zipped({**FILES, "../../outside.txt": b"x", "/absolute.txt": b"x"})
    folder = fetch_movielens(tmp_path / "a" / "cache", home.url, SHA256)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.txt",
        "links.csv",
        "movies.csv",
        "ratings.csv",
    ]
    assert [path.name for path in tmp_path.rglob("*.txt")] == ["README.txt"]


def test_no_connection_is_one_error(tmp_path: Path) -> None:
    """Nobody listens, or nobody answers in time."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.zip"
        with pytest.raises(DatasetError, match="could not be downloaded"):
            fetch_movielens(tmp_path, url, SHA256)
        listener.listen()
        with pytest.raises(DatasetError, match="timed out"):
            fetch_movielens(tmp_path, url, SHA256, timeout=0.1)


def test_a_changed_cache_is_not_used(home: Home, tmp_path: Path) -> None:
    """The message says what to remove."""
    folder = fetch_movielens(tmp_path, home.url, SHA256)
    (folder / "ratings.csv").write_bytes(b"1,2,3,4\n")
    with pytest.raises(DatasetError, match="remove"):
        fetch_movielens(tmp_path, home.url, SHA256)
