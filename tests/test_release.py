"""What is released: wheel and sdist, their version, and the installed wheel outside a checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from reelstream import __version__

ROOT = Path(__file__).parent.parent
# One process, so that wheel and environment are made once.
pytestmark = pytest.mark.xdist_group("release")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this source."""
    return build(tmp_path_factory.mktemp("dist"))


def build(folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a fresh environment that has the wheel, and this one's libraries."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    # An environment that uv made has no pip to lend.
    has_pip = find_spec("pip") is not None
    venv.create(folder, with_pip=not has_pip)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    # A folder named in a .pth file is searched, but its own .pth files are not read: of this
    # environment come the libraries, and never the checkout.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", python] if has_pip else [python, "-m", "pip"]
    options = ["--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*pip, "install", *options, wheel(dist)], check=True)
    return python.parent


def wheel(folder: Path) -> Path:
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_is_the_package_and_nothing_else(dist: Path) -> None:
    """Every file of the package is in it, data files too, and no test."""
    with zipfile.ZipFile(wheel(dist)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "src" / "reelstream"
    assert names == {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_a_second_build_gives_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    """So that anybody can check a release against its source."""
    again = build(tmp_path)
    assert {path.name: path.read_bytes() for path in dist.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


@pytest.mark.slow
def test_the_sdist_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    """`build` makes the wheel from the sdist; and the tests are in it, for those who package."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "tests/conftest.py"} <= names
    assert not {name for name in names if name.startswith((".venv", "work/", "dist/"))}


def test_the_version_stands_in_one_place() -> None:
    """The package says it; what else names a version agrees with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert citation["license"] == project["license"]
    assert re.search(rf"^## \[(Unreleased|{re.escape(__version__)})\]", changelog(), re.MULTILINE)


def changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_the_installed_wheel_runs_outside_a_checkout(installed: Path, tmp_path: Path) -> None:
    """It is found without the source, has the page's files, and its commands work."""

    def run(*command: str) -> str:
        environment = {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(tmp_path)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    where = run("python", "-c", "import reelstream.ui as ui; print(ui.__path__[0])").strip()
    assert Path(where).is_relative_to(installed.parent)
    assert (Path(where) / "theme.toml").exists()
    assert run("reelstream", "--version") == f"reelstream {__version__}\n"
    run("reelstream", "simulate", "tiny", "--users", "20", "--items", "30", "--ratings", "300")
    run("reelstream", "produce", "--data", "tiny")
    assert (tmp_path / "work" / "log.db").exists()
