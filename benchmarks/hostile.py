"""What do hostile clients, and a kill -9, do to the server?

On MovieLens's small data set, one model set, one worker, on a machine that the clients share. 2,000
connections stay idle and 200 send a body a byte a second, while hostile requests arrive: wrong
bodies, sizes, encodings, chunks, headers, methods, paths and values. Meanwhile an honest client
asks for predictions over connections of its own. Then the server is killed (SIGKILL) while ratings
are posted: each that was acknowledged must be in the log once, each other once or not at all.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from common import Bar, at_most, data_set, finish, free_ports, parser
from reelstream.broker import open_broker
from reelstream.broker.reading import read_between
from reelstream.client import Client
from reelstream.storage.work_folder import WorkFolder
from serving import train, until

IDLE_CONNECTIONS = 2_000
SLOW_CONNECTIONS = 200
FIRST_USER = 10_000_000
MAX_HEADER_BYTES = 64 * 1024
SILENT_SECONDS = 20

# What a hostile request may get instead of an answer.
SHUT = "closed, as the client had shut its side"
CLOSED_MALFORMED = "closed, as what came was no request"
CLOSED = "closed for no reason"
SILENT = "nothing"


def main() -> int:
    """Train one set, then attack; `--work` takes a folder that has one."""
    arguments = parser(__doc__)
    arguments.add_argument("--work", type=Path, metavar="DIR", help="a work folder with a set")
    arguments.add_argument("--requests", type=int, default=50_000, help="hostile ones")
    arguments.add_argument("--posts", type=int, default=10_000, help="before the kill")
    given = arguments.parse_args()
    dataset = data_set(given.data)
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or train(dataset.ratings_file, Path(scratch) / "work")
        with running_server(work) as (process, port):
            attacked = attack(process.pid, port, given.requests)
        with running_server(work) as (process, port):
            killed = kill_during_posts(work, process, port, given.posts)
    results = {"attack": attacked, "kill": killed}
    print(results)
    is_whole = given.requests >= 50_000 and given.posts >= 10_000
    return finish("hostile", results, judge(results), packages=["granian", "flask"], keep=is_whole)


def judge(results: dict[str, Any]) -> list[Bar]:
    attacked, killed = results["attack"], results["kill"]
    return [
        at_most("answers with status 5xx", attacked["server_errors"], 0),
        at_most("hostile requests without an answer or a reason", attacked["without_reason"], 0),
        at_most("honest client, slowest answer (ms)", attacked["honest_max_ms"], 100),
        at_most("growth of memory in the second half (MB)", attacked["growth_mb"], 30),
        at_most("acknowledged ratings that are not in the log once", killed["lost_or_twice"], 0),
        at_most("other ratings that are in the log twice", killed["others_twice"], 0),
    ]


@contextmanager
def running_server(work: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "reelstream", "serve"]
    server = subprocess.Popen(
        [*command, "--work", str(work), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with Client(f"http://127.0.0.1:{port}", timeout_seconds=30) as client:
            until(lambda: client.ready().status == "ready")
        yield server, port
    finally:
        server.terminate()
        server.wait()


def attack(pid: int, port: int, requests: int) -> dict[str, Any]:
    """Statuses of the hostile requests, times of the honest ones, and memory."""
    done, began = threading.Event(), time.monotonic()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(IDLE_CONNECTIONS)]
    slow = threading.Thread(target=send_slowly, args=(port, done))
    slow.start()
    with honest_client(port) as honest, ThreadPoolExecutor(8) as pool:
        outcomes = Counter[str]()
        for half in range(2):
            numbers = range(half * requests // 2, (half + 1) * requests // 2)
            outcomes.update(pool.map(lambda number: send_hostile(port, number), numbers))
            if not half:
                memory = resident_mb(pid)
    done.set()
    slow.join()
    for connection in idle:
        connection.close()
    return {
        "requests": requests,
        "seconds": time.monotonic() - began,
        "outcomes": dict(sorted(outcomes.items())),
        # What the server says of itself when it is full is an answer, no error.
        "server_errors": sum(n for outcome, n in outcomes.items() if outcome.startswith("5")),
        "without_reason": outcomes[CLOSED] + outcomes[SILENT],
        "honest_requests": len(honest),
        "honest_p50_ms": float(np.median(honest) * 1000),
        "honest_max_ms": float(np.max(honest) * 1000),
        "growth_mb": resident_mb(pid) - memory,
    }


def send_hostile(port: int, number: int) -> str:
    """One hostile request on a connection of its own: the status, or what came instead."""
    chosen = random.Random(number)
    request, shuts = hostile_bytes(chosen), chosen.random() < 0.3
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SILENT_SECONDS) as connection:
            connection.sendall(request)
            if shuts:
                connection.shutdown(socket.SHUT_WR)
            line = connection.recv(64)
    except TimeoutError:
        return SILENT
    except OSError:
        # The server had answered and closed before all was sent.
        line = b""
    if line.startswith(b"HTTP/1."):
        return line.split()[1].decode()
    is_malformed = request.startswith(b" ") or len(request) > MAX_HEADER_BYTES
    return SHUT if shuts else CLOSED_MALFORMED if is_malformed else CLOSED


def hostile_bytes(chosen: random.Random) -> bytes:
    """A request that no honest client sends."""
    junk = chosen.randbytes(chosen.choice([0, 1, 100, 5_000]))
    deep = b"[" * chosen.choice([1_000, 100_000])
    wrong = chosen.choice(
        [
            junk,
            deep,
            b'{"userId":1e999,"movieId":NaN}',
            b'{"userId":1,"movieId":' + b"9" * chosen.choice([30, 5_000]) + b"}",
            b'{"userId":"\xed\xa0\x80","movieId":"../../etc/passwd"}',
            b'{"userId":1,"movieId":31,"at":-9223372036854775809}',
            b'[{"userId":1,"movieId":31},' * 20,
            b"[" + b",".join([b"{}"] * chosen.choice([3, 10_001])) + b"]",
            '{"userId":1,"movieId":31}'.encode(chosen.choice(["utf-16", "utf-32"])),
            b'{"userId":1,"userId":2,"movieId":31}',
        ]
    )
    path = chosen.choice(
        [
            b"/predict_regression",
            b"/v1/ratings",
            b"/v1/recommendations",
            b"/v1/users/1'%20OR%201=1--/recommendations",
            b"/v1/items/..%2f..%2fetc%2fpasswd",
            b"/v1/items?query=" + b"%ff%00" * 50,
            b"/v1/users/99999999999999999999",
            b"/" + b"a" * chosen.choice([10, 7_000]),
            b"/v1/users/1?after=0:99999999999999999999",
            b"//v1//items/%",
        ]
    )
    method = chosen.choice([b"POST", b"POST", b"POST", b"GET", b"DELETE", b"PUT", b"BREW", b""])
    head = b"%s %s HTTP/1.1\r\nHost: %s\r\n" % (
        method,
        path,
        chosen.choice([b"localhost", b"localhost", b"evil.example", b"\xff"]),
    )
    kind = chosen.choice([b"application/json", b"application/json", b"text/plain", b"\x80"])
    head += b"Content-Type: %s\r\n" % kind
    head += chosen.choice(
        [
            b"",
            b"Authorization: Bearer " + b"x" * 500 + b"\r\n",
            b"Idempotency-Key: " + b"k" * 300 + b"\r\n",
            b"X-Junk: " + b"j" * chosen.choice([100, 70_000]) + b"\r\n",
            b"Expect: 100-continue\r\n",
        ]
    )
    framing = chosen.choice(["length", "length", "chunks", "too long", "both", "short"])
    if framing == "chunks":
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
            len(wrong),
            wrong,
        )
    if framing == "both":
        head += b"Transfer-Encoding: chunked\r\n"
    length = {"too long": 10**12, "short": len(wrong) // 2}.get(framing, len(wrong))
    return head + b"Content-Length: %d\r\n\r\n%s" % (length, wrong)


def send_slowly(port: int, done: threading.Event) -> None:
    """Bodies a byte a second, opened again when the server ends them."""
    head = b"POST /v1/ratings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connections: list[socket.socket] = []
    while not done.wait(1):
        while len(connections) < SLOW_CONNECTIONS:
            connections.append(socket.create_connection(("127.0.0.1", port)))
            connections[-1].sendall(head + b"Content-Length: 1000\r\n\r\n")
        for connection in list(connections):
            try:
                connection.sendall(b" ")
            except OSError:
                connections.remove(connection)
                connection.close()
    for connection in connections:
        connection.close()


@contextmanager
def honest_client(port: int) -> Iterator[list[float]]:
    """Seconds to each answer, once it has ended; in a process of its own, since threads that
    attack would hold it up.
    """
    times: list[float] = []
    code = "import sys, hostile; hostile.ask_honestly(int(sys.argv[1]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(port)],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield times
        times += json.loads(process.communicate(timeout=60)[0])
    finally:
        process.kill()
        process.wait()


def ask_honestly(port: int) -> None:
    """A prediction every 20 ms until standard input ends, and every tenth on a new connection;
    prints how long each took.
    """
    url, done, times = f"http://127.0.0.1:{port}", threading.Event(), list[float]()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    while not done.is_set():
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            for _ in range(10):
                begin = time.perf_counter()
                answer = client.get("/predict_regression?userId=1&movieId=1")
                times.append(time.perf_counter() - begin)
                answer.raise_for_status()
                done.wait(0.02)
    print(json.dumps(times))


def resident_mb(pid: int) -> float:
    """Of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = [
        line
        for each in (str(pid), *children)
        for line in Path(f"/proc/{each}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return sum(int(line.split()[1]) for line in lines) / 1024


def kill_during_posts(
    work: Path, process: subprocess.Popen[bytes], port: int, posts: int
) -> dict[str, Any]:
    """SIGKILL to the worker after two thirds of the posts; what the log holds of each afterwards.

    The rating of post n is of user FIRST_USER + n.
    """
    acknowledged, lock = list[int](), threading.Lock()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()

    def post(number: int) -> None:
        if number == posts * 2 // 3:
            for child in children:
                os.kill(int(child), signal.SIGKILL)
        with suppress(httpx.HTTPError):
            body = {"userId": FIRST_USER + number, "movieId": 1, "rating": 4}
            answer = clients[number % len(clients)].post("/v1/ratings", json=body)
            if answer.status_code == 202:
                with lock:
                    acknowledged.append(number)

    url = f"http://127.0.0.1:{port}"
    clients = [httpx.Client(base_url=url, trust_env=False, timeout=10) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(post, range(posts)))
    for client in clients:
        client.close()
    held = users_in_log(work)
    known = set(acknowledged)
    counts = {number: held[FIRST_USER + number] for number in range(posts)}
    return {
        "posts": posts,
        "acknowledged": len(known),
        "lost_or_twice": sum(counts[number] != 1 for number in known),
        "others_in_log": sum(counts[number] > 0 for number in counts if number not in known),
        "others_twice": sum(counts[number] > 1 for number in counts if number not in known),
    }


def users_in_log(work: Path) -> Counter[int]:
    """User -> records, by their keys."""
    binding = WorkFolder(work).binding()
    with open_broker(binding.broker) as broker:
        starts, ends = broker.start_offsets(binding.topic), broker.end_offsets(binding.topic)
        return Counter(
            int(record.key)
            for records in read_between(broker, binding.topic, starts, ends)
            for record in records
            if record.key is not None
        )


if __name__ == "__main__":
    sys.exit(main())
