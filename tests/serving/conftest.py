"""What the tests of this room share."""

from __future__ import annotations

import pytest

from fake_sets import teach_real_films_only


@pytest.fixture(autouse=True)
def _fakes_catch_up_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    teach_real_films_only(monkeypatch)
