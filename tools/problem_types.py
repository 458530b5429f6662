"""Writes docs/problems.md from the types of problems; `--check` compares alone."""

from __future__ import annotations

import sys
from http import HTTPStatus
from pathlib import Path

from reelstream.contract import ProblemType

PAGE = Path(__file__).parent.parent / "docs" / "problems.md"
INTRODUCTION = """# Problems

The `type` of a [problem](api.md#problems) is `/docs/problems#` and the name of one of these
sections; a running server explains them under that path too. A name that was given stays; there may
be more of them. What HTTP itself says, such as a redirection, has the type `about:blank`.
"""


def page() -> str:
    """The page as it should be."""
    sections = [
        f"## {each.slug}\n\n{each.status} {HTTPStatus(each.status).phrase}. {each.meaning}"
        f" {each.remedy}\n"
        for each in ProblemType
    ]
    return "\n".join([INTRODUCTION, *sections])


def main() -> None:
    """Write the page, or with --check compare it."""
    if PAGE.exists() and PAGE.read_text("utf-8") == page():
        return
    if "--check" in sys.argv[1:]:
        sys.exit(f"{PAGE} is out of date: run `make docs`")
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
