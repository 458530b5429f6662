"""Writes the examples of answers in README and docs anew, from a system that it starts and ends.

`.venv/bin/python tools/api_examples.py DATA` streams MovieLens's small data set up to the third
model set, serves it, sends what the pages show and puts the answers in the place of those that
stand there. Examples are of one run: the ratings that a page writes count in what follows it.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx

from reelstream.cli.preflight import free_port
from reelstream.client import wait_until_answers

ROOT = Path(__file__).parent.parent
# In this order: the API's page is the one that writes.
PAGES = [ROOT / "README.md", ROOT / "README.id.md", ROOT / "docs" / "api.md"]
SHOWN_URL = "http://127.0.0.1:5000"
MAX_COLUMNS = 80
# A command or a question in the text, and the answers below them.
_PARTS = re.compile(
    r"^```sh\n(?P<command>.*?)^```$|`GET (?P<question>/[^\s`{]+)`|^```json\n(?P<answer>.*?)^```$"
    r'|^```text\n(?P<written>\{"token".*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_TOKEN = re.compile(r"\d+:\d+@[0-9a-f]{8}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="the folder of ml-latest-small")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        run(work, "run", "--data", arguments.data, "--until-set", "3", "--no-ui", "--port", "0")
        port = free_port("127.0.0.1", 0, "--port")
        url = f"http://127.0.0.1:{port}"
        server = subprocess.Popen(command(work, "serve", "--port", str(port)))
        try:
            wait_until_answers(f"{url}/health/ready", is_running=lambda: server.poll() is None)
            with httpx.Client(base_url=url, trust_env=False) as api:
                for page in PAGES:
                    page.write_text(with_answers(page.read_text(), api))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def with_answers(text: str, api: httpx.Client) -> str:
    """A page with the answers that its questions have now."""
    shown, token = _TOKEN.search(text), ""
    pieces, end, answer = list[str](), 0, ""
    for part in _PARTS.finditer(text):
        pieces.append(text[end : part.start()])
        end = part.end()
        piece = part[0]
        if part["command"] is not None:
            for line in curls(part["command"]):
                # What this run has written is what it reads.
                words = [word.replace(shown[0], token) if shown else word for word in line]
                answer = send(api, words)
                if written := _TOKEN.search(answer):
                    token = written[0]
        elif part["question"] is not None:
            answer = api.get(part["question"]).text
        else:
            kind = "json" if part["answer"] is not None else "text"
            piece = f"```{kind}\n{wrapped(answer)}\n```"
        pieces.append(piece)
    whole = "".join([*pieces, text[end:]])
    return whole.replace(shown[0], token) if shown else whole


def curls(block: str) -> Iterator[list[str]]:
    """The words of each line of curl that asks this machine's server."""
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("curl ") and SHOWN_URL in line:
            yield shlex.split(line, comments=True)


def send(api: httpx.Client, words: list[str]) -> str:
    """What a line of curl is answered."""
    address = next(word for word in words if word.startswith(SHOWN_URL))
    options = dict(pairwise(words))
    headers = dict(value.split(": ", 1) for name, value in pairwise(words) if name == "-H")
    method = options.get("-X") or ("POST" if "-d" in options else "GET")
    return api.request(
        method, address.removeprefix(SHOWN_URL), content=options.get("-d"), headers=headers
    ).text


def wrapped(answer: str) -> str:
    """JSON on lines of at most MAX_COLUMNS, broken between its parts where that is possible.

    >>> print(wrapped('{"title":"Toy Story, and, more","ids":[1,2]}'))
    {"title":"Toy Story, and, more","ids":[1,2]}
    """
    json.loads(answer)
    lines = [""]
    # What stands up to each comma that is outside of a text.
    for piece in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^",])+,?', answer.strip()):
        if len(lines[-1]) + len(piece) > MAX_COLUMNS and lines[-1].strip():
            lines.append(" ")
        lines[-1] += piece
    return "\n".join(lines)


def run(work: str, *words: str) -> None:
    subprocess.run(command(work, *words), check=True)


def command(work: str, name: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "reelstream", name, "--work", work, *options]


if __name__ == "__main__":
    main()
