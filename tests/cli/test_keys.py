"""`reelstream keys`: made, listed and revoked from the command line."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from command_line import Command

from reelstream.cli.page_key import page_key
from reelstream.ratings.scale import RatingScale
from reelstream.settings import UiSettings
from reelstream.storage.api_keys import ApiKeys, Scope
from reelstream.storage.work_folder import WorkFolder


@pytest.fixture
def folder(tmp_path: Path) -> WorkFolder:
    folder = WorkFolder(tmp_path / "work")
    folder.bind(broker=None, topic=None, scale=RatingScale())
    return folder


def test_a_key_is_made_listed_and_revoked(command: Command, folder: WorkFolder) -> None:
    """Only `create` tells it, and only for its scopes."""
    work = ("--work", str(folder.root), "--json")
    made = command("keys", "create", "shop", "--scope", "read", *work).json
    kept = ApiKeys(folder.keys).find(made["key"])
    assert kept is not None and kept.scopes == {Scope.READ}
    listed = command("keys", "list", *work)
    assert [key["name"] for key in listed.json["keys"]] == ["shop"]
    assert made["key"][-43:] not in listed.out
    assert command("keys", "revoke", "shop", *work).json == {"revoked": "shop"}
    assert command("keys", "revoke", "shop", *work).code == 2
    assert ApiKeys(folder.keys).find(made["key"]) is None


def test_a_key_goes_into_a_file_of_its_owner(command: Command, folder: WorkFolder) -> None:
    """It is not printed then; and may take the place of an older one."""
    file = folder.root / "shop.key"
    arguments = ("keys", "create", "shop", "--file", str(file), "--work", str(folder.root))
    assert command(*arguments).code == 0
    first = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert command(*arguments).code == 2
    answer = command(*arguments, "--replace")
    second = file.read_text().strip()
    assert second not in answer.out + answer.err
    keys = ApiKeys(folder.keys)
    assert keys.find(first) is None and keys.find(second) is not None


def test_a_server_for_others_does_not_start_without_a_key(
    command: Command, folder: WorkFolder
) -> None:
    """Wrong usage, in one sentence that says what to do."""
    answer = command("serve", "--host", "0.0.0.0", "--port", "0", "--work", str(folder.root))
    assert answer.code == 2
    assert "reelstream keys create" in answer.err


@pytest.mark.parametrize(("host", "scopes"), [("127.0.0.1", set(Scope)), ("::", {Scope.READ})])
def test_a_run_makes_a_key_for_its_page(folder: WorkFolder, host: str, scopes: set[Scope]) -> None:
    """There while it runs, with all scopes only where nobody else sees the page; one that a killed
    run left counts no longer.
    """
    keys = ApiKeys(folder.keys)
    left = keys.create("page", Scope)
    with page_key(folder, UiSettings(host=host)):
        kept = keys.find(folder.page_key.read_text())
        assert kept is not None and kept.scopes == scopes
        assert stat.S_IMODE(folder.page_key.stat().st_mode) == 0o600
        assert keys.find(left) is None
    assert not folder.page_key.exists() and keys.all() == []
