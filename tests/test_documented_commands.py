"""Every command that README and documentation show: a test runs it, or it is said why none does."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from kafka_cluster import KafkaCluster
from reelstream.cli.api_process import make_app
from reelstream.cli.app import app, invoke
from reelstream.serving.live_updates import LiveUpdates
from reelstream.settings import ServeSettings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.id.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

DOCKER = "needs a Docker engine: `make compose-test` does it"
CLUSTER = "needs several machines; tests/engines/spark has a cluster of its own"
# What a command line matches -> the test that runs it, or else why there is none.
RUN_BY = {
    r"reelstream demo": "test_it_streams_slowly_and_may_simulate",
    r"reelstream run": "test_a_run_reaches_its_set_and_a_second_goes_on",
    r"reelstream produce": "test_a_second_pass_finds_nothing_to_do",
    r"reelstream batch ": "test_a_second_pass_finds_nothing_to_do",
    r"reelstream train .*--conf spark.archives": "test_a_whole_environment_comes_with_the_job",
    r"reelstream train --engine spark": "test_an_executor_killed_in_mid_fit_changes_nothing",
    r"reelstream train": "test_a_second_pass_finds_nothing_to_do",
    r"reelstream serve": "test_the_tutorial_runs",
    r"reelstream audit": "test_audit_is_clean_then_names_what_was_damaged",
    r"reelstream evaluate --split t": "test_the_time_split_scores_with_and_without_live_learning",
    r"reelstream evaluate --split random": "test_the_random_split_is_one_line_of_json",
    r"reelstream inspect": "test_it_answers_people_and_programs",
    r"reelstream simulate": "test_the_tutorial_runs",
    r"reelstream log": "test_the_newest_records_come_oldest_first",
    r"reelstream doctor": "test_a_sound_machine_has_no_fault",
    r"reelstream keys": "test_a_key_is_made_listed_and_revoked",
    r"reelstream forget": "test_a_user_is_forgotten_for_good",
    r"reelstream models activate": "test_a_set_can_be_pinned_and_pruning_spares_it",
    r"reelstream models": "test_models_are_listed_shown_and_verified",
    r"reelstream batches": "test_a_batch_is_taken_out_and_put_back",
    r"reelstream rejected": "test_what_show_writes_is_edited_and_sent_again",
    r"reelstream COMMAND --help": "test_every_help_has_examples_that_are_commands",
    r"make run BROKER=": "test_a_run_on_kafka_gives_what_the_embedded_log_gives",
    r"make run|make help": "test_make_help_lists_every_target_that_says_what_it_does",
    r"make dist": "test_a_second_build_gives_the_same_bytes",
    r"PYSPARK_PYTHON=.*spark-submit": "test_spark_submit_of_an_environment_finds_its_spark",
    r"spark-submit .*--py-files": "test_the_package_comes_with_the_job",
    r"python -m zipfile -c": "test_the_package_comes_with_the_job",
    r"echo '7\|": "test_partitions_added",
    r"printf .*kcat|kcat -C": "test_kafka_from_zero_runs",
    r"curl .*127\.0\.0\.1:5000/": "test_every_curl_is_understood",
}
NOT_RUN = {
    r"make (test|check)": "CI does both",
    r"make (venv|docs|bench|sbom)": "they install, or take minutes",
    r"make kafka": "`tests/kafka_cluster.py` starts the same program, tools/local_kafka.py",
    r"reelstream evaluate --rank": "`make bench-ranking` scores the same, in minutes",
    r"reelstream ui": "`tests/ui` starts the page by its launcher",
    r"export REELSTREAM_TEST_DATA": "a setting for the line below it",
    r"(BROKER=|DATA=)?.*docker compose": DOCKER,
    r"mamba": "needs conda; `test_conda_has_the_versions_of_the_project` reads its file",
    r"git clone|pre-commit install|\. \.venv/bin/activate": "of other programs",
    r"pip install": "it needs a package index; tests/test_release.py installs the wheel",
    r"spark=|\$spark/bin": CLUSTER,
    r"sqlite3 ": "a program of its own",
    r"curl .*films\.example": "an address that stands for yours",
}


def lines_of(text: str) -> Iterator[str]:
    """Command lines of a page's blocks for the shell, continued ones joined, without comments."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        joined = re.sub(r"\\\n\s*|(?<=\|)\n\s*", " ", block)
        for line in joined.splitlines():
            if line := re.sub(r"\s+#.*", "", line).strip():
                yield re.sub(r"^\.venv/bin/(?=reelstream)", "", line)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_is_run_by_a_test_or_it_is_said_why_not(path: Path) -> None:
    """The tables above know each, and the tests that they name exist."""
    unknown = [
        line
        for line in lines_of(path.read_text())
        if not any(re.match(pattern, line) for pattern in (*RUN_BY, *NOT_RUN))
    ]
    assert not unknown


def test_the_tests_that_run_commands_exist() -> None:
    """A name in the table is that of a function."""
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name in RUN_BY.values() if f"def {name}(" not in code]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], FlaskClient]]:
    """`reelstream serve` on the folder `work`, in this process, when it is first called for."""
    started: list[LiveUpdates] = []
    original = LiveUpdates.start

    def start(self: LiveUpdates) -> None:
        started.append(self)
        original(self)

    monkeypatch.setattr(LiveUpdates, "start", start)
    clients: list[FlaskClient] = []

    def open_client() -> FlaskClient:
        if not clients:
            made = make_app(tmp_path / "work", {}, ServeSettings())
            clients.append(made.test_client())
        return clients[0]

    yield open_client
    for updates in started:
        updates.close()


@pytest.mark.slow
def test_the_tutorial_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    server: Callable[[], FlaskClient],
) -> None:
    """Its commands in their order, with the output that it shows below them."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "tutorial.md").read_text()
    answers: list[dict[str, Any]] = []
    for block, shown in re.findall(
        r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", page, re.MULTILINE | re.DOTALL
    ):
        capfd.readouterr()
        for line in lines_of(f"```sh\n{block}```"):
            if line.startswith("curl"):
                answers.append(asked(server(), line, lives=len(answers) > 2))
            elif line != "reelstream serve":
                assert invoke(shlex.split(line)[1:]) == 0, line
        if shown:
            assert capfd.readouterr().out == shown
    first, recommended, written, second = answers
    assert len(recommended["items"]) == 3
    assert written["events"] == 1
    assert (first["basis"]["live"], second["basis"]["live"]) == (0, 1)
    assert first["prediction"] != second["prediction"]


def test_kafka_from_zero_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    kafka_cluster: KafkaCluster,
) -> None:
    """The commands of that section, on a broker and a topic of the tests: what one program sends,
    the other reads, and the message that is no rating is the one that is rejected.
    """
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "kafka.md").read_text()
    section = page.split("## From zero", 1)[1].split("\n## ", 1)[0]
    section = section.replace("localhost:9092", kafka_cluster.servers)
    said = []
    for line in lines_of(re.sub(r"\bstars\b", f"stars-{uuid4().hex}", section)):
        capfd.readouterr()
        if line.startswith("reelstream"):
            assert invoke(shlex.split(line)[1:]) == 0, line
        else:
            subprocess.run(["bash", "-c", line], check=True, timeout=60)
        said.append(capfd.readouterr().out)
    _, _, ours, theirs, closed, rejected, audit = said
    assert len(ours.splitlines()) == len(theirs.splitlines()) == 3
    assert closed == "1 batches closed with 2 ratings\n"
    assert "is not a number" in rejected
    assert audit.endswith("everything adds up\n")


def asked(client: FlaskClient, line: str, *, lives: bool = False) -> dict[str, Any]:
    """The answer to a line of curl; with `lives`, once it knows a rating of no batch."""
    deadline = time.monotonic() + 30
    while True:
        answer = send(client, line)
        assert answer.status_code < 300, answer.text
        body: dict[str, Any] = answer.get_json()
        if not lives or "basis" not in body or body["basis"]["live"]:
            return body
        assert time.monotonic() < deadline
        time.sleep(0.05)


def send(client: FlaskClient, line: str) -> Any:
    """What a line of curl sends to the API of this machine."""
    words = shlex.split(line)
    (address,) = (word for word in words if word.startswith("http://127.0.0.1:5000"))
    values = dict(pairwise(words))
    headers = {"Content-Type": "application/json"} if "-d" in values else {}
    return client.open(
        address.removeprefix("http://127.0.0.1:5000"),
        method="POST" if "-d" in values else "GET",
        data=json.dumps(json.loads(values["-d"])) if "-d" in values else None,
        headers=headers | {"Host": "127.0.0.1:5000"},
    )


def test_every_command_of_the_table_exists() -> None:
    """None of them is only remembered."""
    names = {name.split()[0] for name, _ in app.each_command()}
    told = {match[1] for pattern in RUN_BY if (match := re.match(r"reelstream ([a-z]+)", pattern))}
    assert told <= names
