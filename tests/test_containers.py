"""What the container and conda files say of names, versions and settings that are defined
elsewhere.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from reelstream.cli.app import app
from reelstream.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# Compose's: replace, do not append
yaml.SafeLoader.add_constructor("!override", yaml.SafeLoader.construct_sequence)
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
SPARK: dict[str, Any] = yaml.safe_load((ROOT / "compose.spark.yaml").read_text())["services"]
STAGES = {name: service for name, service in SERVICES.items() if service["image"] == "reelstream"}
STAGES["trainer on Spark"] = SERVICES["trainer"] | SPARK["trainer"]
CONTAINERS = STAGES | {name: service for name, service in SPARK.items() if name != "trainer"}
COMMANDS: dict[str, Any] = dict(app.each_command())


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_a_command_that_exists(name: str) -> None:
    """Each container of reelstream is one command, with options that it takes."""
    words = re.sub(r"\$\{\w+:\+([^}]*)\}", r"\1", STAGES[name]["command"]).split()
    command = next(each for each in (" ".join(words[:2]), words[0]) if each in COMMANDS)
    options = {word for word in words if word.startswith("--")}
    assert options <= {
        option for parameter in COMMANDS[command].params for option in parameter.opts
    }


def test_on_spark_there_is_one_trainer_too() -> None:
    """Spark's takes the local one's place, and says where the master is that the worker reports
    to.
    """
    assert [
        name
        for name, service in (SERVICES | SPARK).items()
        if "train" in service.get("command", "")
    ] == ["trainer"]
    master = re.search("--master (.*)", SPARK["trainer"]["command"])
    assert master is not None
    assert master[1] == "spark://spark-master:7077" == SPARK["spark-worker"]["command"].split()[-1]
    assert SPARK["spark-master"]["command"].endswith("--host spark-master")


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_can_write_its_folders_only(name: str) -> None:
    """A root file system that cannot be written, and no privileges to gain."""
    assert CONTAINERS[name]["read_only"]
    assert CONTAINERS[name]["cap_drop"] == ["ALL"]
    assert CONTAINERS[name]["security_opt"] == ["no-new-privileges:true"]


def test_no_image_runs_as_root() -> None:
    """Each final stage of the Dockerfile, which begins with nothing, says who runs in it."""
    for stage in DOCKERFILE.split("FROM scratch")[1:]:
        assert re.findall("^USER (.*)", stage, re.MULTILINE)[:1] == ["reelstream"]


def test_ports_are_open_to_this_machine_only() -> None:
    """Nothing listens to the network unless somebody decides so."""
    ports = [
        port
        for service in (*SERVICES.values(), *SPARK.values())
        for port in service.get("ports", [])
    ]
    assert len(ports) >= 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_settings_in_containers_exist() -> None:
    """A variable that no setting reads would do nothing, silently."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        known |= {
            f"{PREFIX}{name}_{inner}".upper()
            for inner in getattr(field.annotation, "model_fields", {})
        }
    named = {name for service in STAGES.values() for name in service["environment"]}
    named |= set(re.findall(rf"{PREFIX}[A-Z_]+", DOCKERFILE))
    assert {"REELSTREAM_BROKER_URL", "REELSTREAM_WORK"} <= named <= known


def test_the_page_image_has_what_the_page_imports() -> None:
    """That image has a list of libraries of its own, which leaves all others out."""
    package = ROOT / "src/reelstream"
    # The page, and what it may import.
    folders = ("ui", "client", "contract", "ratings")
    sources = [path for folder in folders for path in (package / folder).rglob("*.py")]
    sources += [package / "errors.py", package / "strategies.py"]
    imported = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {name.partition(".")[0] for name in names}
    installed = re.search(r"--constraint requirements.lock (streamlit [\w ]+)", DOCKERFILE)
    assert installed is not None
    assert imported - sys.stdlib_module_names - {"reelstream"} <= set(installed[1].split())


def test_the_spark_image_has_what_the_engine_needs() -> None:
    """The libraries of the extra, which are listed there to be installed beside the application."""
    installed = re.search(r"--constraint requirements.lock (pyspark [\w ]+)", DOCKERFILE)
    assert installed is not None
    wanted = {
        re.split(r"[^\w-]", requirement)[0]
        for requirement in PROJECT["optional-dependencies"]["spark"]
    }
    assert set(installed[1].split()) == wanted


def test_kafka_is_the_same_everywhere() -> None:
    """Compose and `make kafka` start the same version."""
    version = re.search(
        r'^KAFKA = "(.*)"', (ROOT / "tools/local_kafka.py").read_text(), re.MULTILINE
    )
    assert version is not None
    assert SERVICES["kafka"]["image"] == f"${{KAFKA_IMAGE:-apache/kafka:{version[1]}}}"


def test_conda_has_the_versions_of_the_project() -> None:
    """Every library of the project and of what it can do besides, in the versions that
    pyproject.toml asks for.
    """
    conda_names = {
        "confluent-kafka": "python-confluent-kafka",
        "prometheus-client": "prometheus_client",
    }
    extras = PROJECT["optional-dependencies"]
    wanted = {f"python{PROJECT['requires-python']}"}
    for requirement in [
        *PROJECT["dependencies"],
        *extras["kafka"],
        *extras["spark"],
        *extras["ui"],
    ]:
        # Conda knows no markers: what only an older Python needs is installed everywhere.
        name, version = re.fullmatch(r"([\w.-]+)([^;]*)(?:;.*)?", requirement).groups()
        wanted.add(f"{conda_names.get(name, name)}{version}")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    others = ["pip", "make", "openjdk=17", {"pip": ["--editable .[kafka,spark,ui]"]}]
    assert sorted(entry for entry in environment if entry not in others) == sorted(wanted)
    assert all(entry in environment for entry in others)


def test_the_image_has_a_python_that_the_project_supports() -> None:
    """The base image's Python is not older than what pyproject.toml asks for."""
    minor = re.search(r"^ARG PYTHON_IMAGE=python:3\.(\d+)", DOCKERFILE, re.MULTILINE)
    assert minor is not None
    assert int(minor[1]) >= int(PROJECT["requires-python"].removeprefix(">=3."))
