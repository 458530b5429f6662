"""What the documentation says of names that the code owns: commands, options, settings, paths,
steps and tests.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask

from fake_sets import CATALOG, FakeRegistry
from reelstream import contract
from reelstream.api.access import Access
from reelstream.api.app import create_app
from reelstream.api.service import Service
from reelstream.broker import open_broker
from reelstream.cli.app import app
from reelstream.ingest import batch_writer, producer, requeue
from reelstream.ratings.scale import RatingScale
from reelstream.serving.live_histories import LiveHistories
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.log_follower import LogSource
from reelstream.serving.log_writer import LogWriter
from reelstream.serving.predictor import Predictor
from reelstream.storage.api_keys import ApiKeys
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.training import trainer

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
ALL_OPTIONS = {"--help", *(name for option in app.params for name in option.opts)}
COMMANDS = {
    name: {
        option for parameter in command.params for option in parameter.opts if option[:2] == "--"
    }
    for name, command in app.each_command()
}
"""Every command by its full name, with its long options."""


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def sections(text: str) -> dict[str, str]:
    """Heading of the second level -> what stands below it."""
    _, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    return dict(part.split("\n", 1) for part in parts)


def test_every_command_has_its_section_and_no_other() -> None:
    """cli.md names the commands that exist."""
    headings = [
        match[1]
        for heading in sections(page("cli.md"))
        if (match := re.fullmatch(r"`reelstream (.*)`", heading))
    ]
    assert sorted(headings) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_its_row_and_no_other(name: str) -> None:
    """The table of a command lists the options that it takes."""
    rows = re.findall(
        r"^\| `(--[a-z-]+)", sections(page("cli.md"))[f"`reelstream {name}`"], re.MULTILINE
    )
    assert sorted(rows) == sorted(COMMANDS[name])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_in_examples_exist(path: Path) -> None:
    """Every `reelstream ...` on a page is a command with options that it takes."""
    for line in re.findall(r"\breelstream ([a-z-][^`\n|]*)", "\n".join(code_in(path.read_text()))):
        words = line.split()
        options = {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), None)
        groups = {command.split()[0] for command in COMMANDS if " " in command}
        assert name or words[0] in groups | ALL_OPTIONS, f"{path.name}: reelstream {line}"
        assert options <= ALL_OPTIONS | COMMANDS.get(name or "", set()), (
            f"{path.name}: reelstream {line}"
        )


def code_in(text: str) -> list[str]:
    """Code blocks and code spans of a page."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", prose)


@pytest.mark.slow
def test_tables_of_options_and_settings_are_those_of_the_code() -> None:
    """cli.md has what `make docs` writes into it from the declarations."""
    program = [sys.executable, str(ROOT / "tools" / "command_tables.py"), "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_path_of_the_api_is_in_the_table_and_no_other(flask_app: Flask) -> None:
    """api.md lists what the OpenAPI document has, and /metrics."""
    listed = set(
        re.findall(r"`(GET|POST|PUT|DELETE) (/[^`]+)`", page("api.md").split("## Predictions")[0])
    )
    document = flask_app.test_client().get("/openapi.json").get_json()
    served = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert listed == served | {("GET", "/metrics")}


@pytest.fixture
def flask_app(tmp_path: Path) -> Iterator[Flask]:
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        registry, predictor, scale = FakeRegistry(1), Predictor(LiveHistories()), RatingScale()
        batches, snapshots = (
            BatchFolder.in_folder(tmp_path / "batches"),
            SnapshotStore.in_folder(tmp_path / "history"),
        )
        updates = LiveUpdates(
            predictor,
            model_sets=registry,
            catalog=CATALOG,
            batches=batches,
            snapshots=snapshots,
            log=LogSource(broker=broker, topic="ratings", scale=scale),
        )
        yield create_app(
            Service(
                predictor=predictor,
                live_updates=updates,
                writer=LogWriter(broker, "ratings"),
                model_sets=registry,
                catalog=CATALOG,
                scale=scale,
                access=Access.on("127.0.0.1", ApiKeys(tmp_path / "keys")),
                audit_log=AuditLog(tmp_path / "audit.jsonl"),
            )
        )


@pytest.mark.parametrize(
    "path", [path for path in PAGES if "```json" in path.read_text()], ids=lambda path: path.name
)
def test_examples_of_answers_are_what_the_api_answers(path: Path, flask_app: Flask) -> None:
    """Each has all fields of the answer to the question above it, under their names, and no other
    field.
    """
    for question, body in examples(path.read_text()):
        for entry in body if isinstance(body, list) else [body]:
            schema = answer_of(question, entry, flask_app)
            assert schema.model_validate_json(json.dumps(entry)).model_dump(mode="json") == entry, (
                question
            )


@pytest.mark.parametrize(
    "path", [path for path in PAGES if "curl " in path.read_text()], ids=lambda path: path.name
)
def test_every_curl_is_understood(path: Path, flask_app: Flask) -> None:
    """Its route exists and takes its method, its parameters and its body, except where the page
    shows how a wrong one is answered.
    """
    client = flask_app.test_client()
    for block in re.findall(r"^```sh\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            url = next((word for word in words if word.startswith("http://127.0.0.1:5000")), None)
            if url is None or "foo=1" in url:
                continue
            given = dict(pairwise(words))
            answer = client.open(
                url.removeprefix("http://127.0.0.1:5000"),
                method="POST" if "-d" in given else "GET",
                data=given.get("-d"),
                content_type="application/json" if "-d" in given else None,
                base_url="http://127.0.0.1:5000",
            )
            assert answer.status_code not in {400, 405, 415, 422}, f"{line}: {answer.text}"
            assert "no such path" not in answer.text, line


def test_the_same_question_has_the_same_answer_on_every_page() -> None:
    """Examples come from one run."""
    answers: dict[str, Any] = {}
    for path in PAGES:
        for question, body in examples(path.read_text()):
            assert answers.setdefault(question, body) == body, f"{path.name}: {question}"
    assert len(answers) >= 8


def examples(text: str) -> Iterator[tuple[str, Any]]:
    """ItemQueries `/path {fields}`, each with the JSON that a page says is the answer."""
    *parts, _ = re.split(r"^```json\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    for before, body in zip(parts[::2], parts[1::2], strict=True):
        asked = re.findall(
            r"(?:-d '(.*?)'[\s\\]+)?(?:http://127\.0\.0\.1:5000|`GET )(/[^\s'`]+)", before
        )
        assert asked, f"no question above {body}"
        data, address = asked[-1]
        url = urlsplit(address)
        fields = (
            json.loads(data)
            if data
            else {name: int_or_text(value) for name, value in parse_qsl(url.query)}
        )
        yield f"{url.path} {json.dumps(fields)}", json.loads(body)


def int_or_text(value: str) -> int | str:
    return int(value) if value.isdecimal() else value


def answer_of(question: str, body: Any, flask_app: Flask) -> type[contract.Answer]:
    """The class of what may be answered to a question: a problem, or what OpenAPI says of the
    path.
    """
    if "error" in body:
        return contract.FailedEntry
    if body.get("type", "").startswith(contract.PROBLEMS_PATH):
        return contract.Problem
    document = flask_app.test_client().get("/openapi.json").get_json()
    path, _, _ = question.partition(" ")
    pattern = next(
        known
        for known in document["paths"]
        if re.fullmatch(re.sub(r"{\w+}", r"[^/]+", known), path)
    )
    reference = document["paths"][pattern]["get"]["responses"]["200"]["content"][
        "application/json"
    ]["schema"]["$ref"]
    schema: type[contract.Answer] = getattr(contract, reference.rpartition("/")[2])
    return schema


@pytest.mark.parametrize(
    "module", [producer, batch_writer, requeue, trainer], ids=lambda module: module.__name__
)
def test_steps_are_those_of_the_code(module: Any) -> None:
    """delivery.md numbers the steps in the words of the module's docstring."""
    wanted = steps(module.__doc__)
    assert len(wanted) >= 5
    assert set(wanted) <= set(steps(page("delivery.md")))


def steps(text: str) -> list[str]:
    """Lines `1. ...` with their continuations, on one line each."""
    found = re.findall(r"^ *(\d\. \S.*(?:\n {3,}(?! *\d\. )\S.*)*)", text, re.MULTILINE)
    return [" ".join(step.split()) for step in found]


def test_architecture_has_the_packages_and_layers_that_are_checked() -> None:
    """Its table has a row for each package, its diagram the layers that import-linter reads."""
    text = page("architecture.md")
    package = ROOT / "src" / "reelstream"
    names = {
        path.name + "/" * path.is_dir()
        for path in package.iterdir()
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py")
    }
    rows = re.findall(r"^\| `([^`]+)` \|", text.split("## Layout on disk")[0], re.MULTILINE)
    assert sorted(rows) == sorted(names)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (each["layers"] for each in contracts["contracts"] if each["type"] == "layers")
    _, shown = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [line.split() for line in shown.splitlines()] == [
        [name.strip() for name in layer.split("|")] for layer in layers
    ]


def test_make_help_lists_every_target_that_says_what_it_does() -> None:
    """`make help` lists all targets, as development.md says."""
    described = re.findall(r"^([^\s:]+):.*## (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    make = ["make", "--no-print-directory", "help"]  # a make around the tests would have it said
    listed = subprocess.run(
        make, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [line.split(maxsplit=2)[1:] for line in listed] == [
        [target.replace("%", "NAME"), said] for target, said in described
    ]
    assert len(listed) >= 10


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_modules_that_are_named_exist(path: Path) -> None:
    """A path such as `models/model_set.py` is that of a file here, or in the package; those of the
    family that development.md adds as an example are not.
    """
    for name in re.findall(r"`(\w+(?:/\w+)+\.py)`", path.read_text()):
        found = any((ROOT / folder / name).exists() for folder in (".", "src/reelstream"))
        assert found or name.endswith("/popularity.py"), name


def test_tests_that_are_named_exist() -> None:
    """A promise in the documentation points at the test that keeps it."""
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for path in PAGES:
        for name in re.findall(r"`(test_\w+)`", path.read_text()):
            assert f"def {name}(" in code, f"{path.name}: {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(path: Path) -> None:
    """Links between pages name files that exist, and headings that these have."""
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        linked = (path.parent / name) if name else path
        assert linked.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(linked), f"{path.name}: {target}"


def anchors(path: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {
        re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        for heading in headings
    }


def test_the_indonesian_readme_is_in_step_with_the_english_one() -> None:
    """The same headings by level, the same commands and answers, and the same links in the same
    order, but for those from one to the other.
    """
    english, indonesian = ((ROOT / name).read_text() for name in ("README.md", "README.id.md"))
    assert skeleton(english) == skeleton(indonesian)


def skeleton(text: str) -> list[str]:
    """What two languages share: levels of headings, code without its comments, targets of links."""
    found = re.findall(r"^#+(?= )|^```.*?^```|\]\([^)]+\)", text, re.MULTILINE | re.DOTALL)
    return [
        re.sub(r"^# .*\n", "", each, flags=re.MULTILINE)
        for each in found
        if not each.startswith("](README")
    ]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Links and anchors resolve, every page is in the navigation, and the references are written:
    of the REST API from its declarations, of Python from docstrings.
    """
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rest = (tmp_path / "rest" / "index.html").read_text()
    assert "/v1/users/{userId}/recommendations" in rest
    assert (tmp_path / "reference" / "index.html").exists()


@pytest.mark.parametrize("name", ["README.md", "README.id.md"])
def test_figures_of_the_readme_are_those_of_the_evaluation(name: str) -> None:
    """Rounded; so whoever measures again sees what to change."""
    figures = page("evaluation.md").split("## Figures", 1)[1].split("\n## ", 1)[0]
    measured = {f"{float(each):.3f}" for each in re.findall(r"\b\d\.\d{4}\b", figures)}
    introduction = (ROOT / name).read_text().split("\n## ", 1)[0].replace(",", ".")
    shown = re.findall(r"\b\d\.\d{3}\b", introduction)
    assert len(shown) == 4
    assert set(shown) <= measured
