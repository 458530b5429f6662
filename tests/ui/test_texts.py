"""The page's languages say the same."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import reelstream.ui
from reelstream.ui.texts import LANGUAGES, TEXTS

ENGLISH = TEXTS["en"]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_with_its_placeholders(language: str) -> None:
    """No text is missing, none is left over, and each has a place for the same values."""
    texts = TEXTS[language]
    assert texts.keys() == ENGLISH.keys()
    wrong = {key for key in texts if placeholders(texts[key]) != placeholders(ENGLISH[key])}
    assert not wrong
    assert all(texts.values())


def test_every_text_is_used() -> None:
    """A key stands in the page's code, whole or as the beginning of one that is put together."""
    code = "\n".join(
        path.read_text()
        for path in Path(reelstream.ui.__file__).parent.rglob("*.py")
        if path.parent.name != "texts"
    )
    literals = set(re.findall(r"""["']([a-z0-9_.]+)["']""", code))
    beginnings = set(re.findall(r"""f["']([a-z0-9_.]+\.)\{""", code))
    composed = re.findall(r"""f["']\{key\}\.\{""", code)
    unused = {
        key
        for key in ENGLISH
        if key not in literals
        and not any(key.startswith(start) for start in beginnings)
        and not (composed and key.split(".")[0] in literals)
    }
    assert not unused
