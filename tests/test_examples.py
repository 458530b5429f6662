"""What the documentation shows as code runs: docstrings and notebooks."""

from __future__ import annotations

import doctest
import importlib
import os
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

from mean_engine import work_folder

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text()
)
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
USERS = 40
"""Whose ratings the examples are run on: enough for every line, and few enough for a short fit."""


@pytest.fixture
def beside_data(movielens: Path, tmp_path: Path) -> Path:
    """A folder with `ml-latest-small`: all films, and the ratings of the first users."""
    data = tmp_path / "ml-latest-small"
    data.mkdir()
    (data / "movies.csv").symlink_to(movielens / "movies.csv")
    header, *rows = (movielens / "ratings.csv").read_text().splitlines()
    kept = [row for row in rows if int(row.split(",")[0]) <= USERS]
    (data / "ratings.csv").write_text("\n".join([header, *kept, ""]))
    return tmp_path


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module: str) -> None:
    """Each gives what it says."""
    failed, tried = doctest.testmod(
        importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert tried
    assert not failed


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run(path: Path, beside_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder that has ml-latest-small, or simulated ratings under that name."""
    # The kernel is another Python process: it finds the source as this one does.
    monkeypatch.setenv("PYTHONPATH", str(SOURCE), os.pathsep)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.pop("outputs", None)
    nbclient.NotebookClient(
        notebook, timeout=240, resources={"metadata": {"path": str(beside_data)}}
    ).execute()
    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/python.md"])
def test_python_in_the_documentation_runs(
    name: str, beside_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page in their order, as one program, beside a data set and a work folder."""
    work_folder(beside_data / "work")
    monkeypatch.chdir(beside_data)
    page = (ROOT / name).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert blocks
    exec("\n".join(blocks), {})


def test_the_first_notebook_is_short() -> None:
    """Fit, predict, fold in, save and load take a newcomer at most 15 lines."""
    cells = nbformat.read(ROOT / "examples" / "first_steps.ipynb", as_version=4).cells
    lines = [
        line
        for cell in cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if line.strip()
    ]
    assert len(lines) <= 15
