"""How fast does the server answer, and how soon does an answer know a rating?

On MovieLens's small data set, one model set, one worker; the load comes from a process on the same
machine, over 32 connections that each wait for their answer before they send again. A route of
Flask that does nothing is measured in turn with the predictions: it is the limit for anything
built on Flask. Freshness is measured by the client, from the answer to a POST of a rating to an
answer that counts it, while 500 other ratings a second arrive.
"""

from __future__ import annotations

import json
import random
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from common import Bar, at_least, at_most, data_set, finish, free_ports, parser
from reelstream.api.app import SCOPES
from reelstream.broker import open_broker
from reelstream.client import Client
from reelstream.contract import RatingQuery
from reelstream.ratings.events import Rated
from reelstream.ratings.ids import NUMBERS
from reelstream.ratings.wire import encode_message
from reelstream.settings import ServeSettings
from reelstream.storage.api_keys import Scope
from reelstream.storage.work_folder import WorkFolder

CONNECTIONS = 32
ROUNDS = 3
ROUND_SECONDS = 5.0
SINGLE_REQUESTS = 200
RATINGS = 200
BACKGROUND_RATE = 500
USERS = 610
STRANGER = 1_000_000


def main() -> int:
    """Train one set, then measure; `--work` takes a folder that has one."""
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, metavar="DIR", help="a work folder with a set")
    arguments.add_argument("--server", type=int, metavar="PORT", help="be the server")
    given = arguments.parse_args()
    if given.server is not None:
        serve(given.work, given.server)
        return 0
    dataset = data_set(given.data)
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or train(dataset.ratings_file, Path(scratch) / "work")
        (port,) = free_ports(1)
        command = [sys.executable, __file__, "--work", str(work), "--server", str(port)]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            results = measure(work, port)
            print(json.dumps(results, indent=1))
        finally:
            server.terminate()
            server.wait()
    return finish("serving", results, judge(results), packages=["granian", "flask", "pydantic"])


def train(ratings: Path, work: Path) -> Path:
    """A work folder with all ratings in one batch, and a set of it."""
    command = [sys.executable, "-m", "reelstream", "run", "--no-ui", "--until-set", "1"]
    options = ["--data", str(ratings), "--work", str(work), "--batch-rows", "200000", "--port", "0"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return work


def serve(work: Path, port: int) -> None:
    """The server, with a route that does nothing."""
    from reelstream.api.server import serve as listen  # noqa: PLC0415

    listen("127.0.0.1", port, partial(make_app, work))


def make_app(work: Path) -> Any:
    from reelstream.cli.api_process import make_app as make  # noqa: PLC0415

    app = make(work, {}, ServeSettings())
    app.add_url_rule("/empty", "empty", lambda: "")
    app.extensions[SCOPES]["empty"] = Scope.READ
    return app


def measure(work: Path, port: int) -> dict[str, Any]:
    """All figures, from one server."""
    url = f"http://127.0.0.1:{port}"
    with Client(url, timeout_seconds=30) as client:
        until(lambda: client.ready().status == "ready")
        items = [film.item_id for film in client.items(limit=200).items]
        pairs = [(user, random.choice(items)) for user in range(1, USERS + 1)]
        client.predict_regressions([RatingQuery(user_id=u, item_id=i) for u, i in pairs])
        rounds = [
            {name: load(port, requests) for name, requests in workloads(items).items()}
            for _ in range(ROUNDS)
        ]
        single = singles(url, items)
        fresh = freshness(work, client, items)
    return {"rounds": rounds, "single_connection_p50_ms": single, "freshness_ms": fresh}


def workloads(items: list[int]) -> dict[str, list[bytes]]:
    """Requests as they go over the network."""
    chosen = random.Random(7)
    bodies = [
        b'{"userId":%d,"movieId":%d}' % (chosen.randint(1, USERS), chosen.choice(items))
        for _ in range(5_000)
    ]
    head = "{} {} HTTP/1.1\r\nHost: localhost\r\n"
    post = head.format("POST", "/predict_regression") + "Content-Type: application/json\r\n"
    return {
        "empty": [(head.format("GET", "/empty") + "\r\n").encode()],
        "predict_regression": [
            b"%sContent-Length: %d\r\n\r\n%s" % (post.encode(), len(body), body) for body in bodies
        ],
    }


def load(port: int, requests: list[bytes]) -> dict[str, float]:
    """Answers a second, and percentiles of the time to an answer, from a process of its own."""
    code = "import sys, serving; serving.send_load(int(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(port)],
        input=json.dumps([request.decode() for request in requests]),
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def send_load(port: int) -> None:
    """Send the requests that standard input lists, over and over, and print what was measured."""
    requests = [request.encode() for request in json.load(sys.stdin)]
    chosen, poll = random.Random(1), selectors.DefaultSelector()
    sent: dict[socket.socket, float] = {}

    def send(connection: socket.socket) -> None:
        sent[connection] = time.perf_counter()
        connection.sendall(chosen.choice(requests))

    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(connection, selectors.EVENT_READ)
        send(connection)
    times, begin = [], time.perf_counter()
    while time.perf_counter() < begin + ROUND_SECONDS:
        for key, _ in poll.select():
            connection: Any = key.fileobj
            # An answer of some hundred bytes arrives whole.
            answer = connection.recv(65_536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"no answer: {answer[:200]!r}")
            times.append(time.perf_counter() - sent[connection])
            send(connection)
    seconds = time.perf_counter() - begin
    p50, p99 = (float(each) for each in np.percentile(times, [50, 99]) * 1000)
    print(json.dumps({"per_second": len(times) / seconds, "p50_ms": p50, "p99_ms": p99}))


def singles(url: str, items: list[int]) -> dict[str, float]:
    """Medians over one connection, in milliseconds."""
    chosen = random.Random(3)

    def user() -> int:
        return chosen.randint(1, USERS)

    def films(strategy: str) -> str:
        return f"/v1/users/{user()}/recommendations?strategy={strategy}"

    # Not httpx: its own work takes about as long as an answer.
    http = HTTPConnection(url.removeprefix("http://"))
    http.connect()
    http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(path: str) -> None:
        send("GET", path)

    def send(method: str, path: str, body: bytes | None = None) -> None:
        http.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = http.getresponse()
        answer.read()
        assert answer.status == 200, answer.status

    def pairs() -> None:
        one = user()
        body = [{"userId": one, "movieId": chosen.choice(items)} for _ in range(100)]
        send("POST", "/predict_regression", json.dumps(body).encode())

    def because() -> None:
        get(f"/v1/users/{user()}/items/{chosen.choice(items)}/because")

    medians = {
        "100 pairs of one user": median_ms(pairs),
        "top-10 of all films": median_ms(lambda: get(films("best"))),
        "top-10, cautious": median_ms(lambda: get(films("cautious"))),
        "similar": median_ms(lambda: get(f"/v1/items/{chosen.choice(items)}/similar")),
        "because": median_ms(because),
        "questions": median_ms(lambda: get(f"/v1/users/{user()}/questions")),
    }
    http.close()
    return medians


def median_ms(request: Callable[[], None]) -> float:
    times = []
    for _ in range(SINGLE_REQUESTS):
        begin = time.perf_counter()
        request()
        times.append(time.perf_counter() - begin)
    return float(np.median(times) * 1000)


def freshness(work: Path, client: Client, items: list[int]) -> dict[str, Any]:
    """From the answer to a POST to an answer that counts the rating, in milliseconds; and in how
    many cases the user's ten recommendations changed too.
    """
    writes, reads, changed = [], [], 0
    # Others at each run: a folder may be measured again.
    first = STRANGER + 1_000 * int(time.time())
    with background(work, items):
        for number in range(RATINGS):
            user, item = first + number % 20, items[number % len(items)]
            before = client.recommendations(user)
            begin = time.perf_counter()
            written = client.rate(user, item, 4.5)
            answered = time.perf_counter()
            answer = client.after(written.token).predict_regression(user, items[-1])
            reads.append(time.perf_counter() - answered)
            writes.append(answered - begin)
            assert answer.basis.ratings == number // 20 + 1
            now = client.recommendations(user)
            changed += [film.choice for film in before.items] != [film.choice for film in now.items]
    return {
        "write_p50": float(np.median(writes) * 1000),
        "p50": float(np.median(reads) * 1000),
        "p99": float(np.percentile(reads, 99) * 1000),
        "top_10_changed": changed / RATINGS,
    }


@contextmanager
def background(work: Path, items: list[int]) -> Iterator[None]:
    """Other users' ratings, straight into the log."""
    binding, done = WorkFolder(work).binding(), threading.Event()

    def send() -> None:
        with (
            open_broker(binding.broker, {}) as broker,
            broker.producer(binding.topic) as producer,
        ):
            begin, sent = time.perf_counter(), 0
            while not done.wait(0.01):
                due = int((time.perf_counter() - begin) * BACKGROUND_RATE)
                for number in range(sent, due):
                    user = 2 * STRANGER + number % 300
                    event = Rated(user, items[number % len(items)], 3.5, int(time.time()))
                    producer.send(encode_message(event), NUMBERS.user.key(user))
                producer.flush()
                sent = due

    thread = threading.Thread(target=send)
    thread.start()
    yield
    done.set()
    thread.join()


def until(condition: Callable[[], bool]) -> None:
    patience = time.monotonic() + 120
    while True:
        try:
            if condition():
                return
        except Exception:
            if time.monotonic() > patience:
                raise
        time.sleep(0.2)


def judge(results: dict[str, Any]) -> list[Bar]:
    """The promises of the API."""
    ratios = [
        each["predict_regression"]["per_second"] / each["empty"]["per_second"]
        for each in results["rounds"]
    ]
    slowest = max(each["predict_regression"]["p99_ms"] for each in results["rounds"])
    single, fresh = results["single_connection_p50_ms"], results["freshness_ms"]
    return [
        at_least(
            "predictions a second, as a share of the empty route", float(np.median(ratios)), 0.55
        ),
        at_most("p99 of a prediction, 32 connections, ms", slowest, 25),
        at_most("p50 of 100 pairs, ms", single["100 pairs of one user"], 4),
        at_most("p50 of the top 10, ms", single["top-10 of all films"], 6),
        at_most("p50 of the cautious top 10, ms", single["top-10, cautious"], 15),
        at_most("p50 of similar films, ms", single["similar"], 10),
        at_most("p50 of why a rating is expected, ms", single["because"], 10),
        at_most("p50 of questions for a newcomer, ms", single["questions"], 50),
        at_most("freshness, p50, ms", fresh["p50"], 10),
        at_most("freshness, p99, ms", fresh["p99"], 50),
    ]


if __name__ == "__main__":
    sys.exit(main())
