"""Settings: one tree, four places, clear refusals."""

from pathlib import Path

import pytest

from reelstream.errors import SettingError
from reelstream.settings import declared_settings, load


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_those_of_the_manual() -> None:
    """Nothing said: 35,000 rows or 5 seconds a batch, port 5000, this machine only."""
    settings = load()
    assert (settings.batch.rows, settings.batch.seconds) == (35_000, 5.0)
    assert (settings.serve.host, settings.serve.port, settings.ui.port) == ("127.0.0.1", 5000, 8501)
    assert settings.work == Path("work")


def test_flags_beat_the_environment_beats_the_file_beats_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each place hides those before it, one setting at a time."""
    Path("reelstream.toml").write_text("[batch]\nrows = 2\nseconds = 2.0\n[serve]\nport = 2\n")
    monkeypatch.setenv("REELSTREAM_BATCH_SECONDS", "3")
    monkeypatch.setenv("REELSTREAM_SERVE_PORT", "3")
    settings = load(flags={"serve.port": 4, "serve.host": None})
    assert (settings.batch.rows, settings.batch.seconds, settings.serve.port) == (2, 3.0, 4)
    assert settings.serve.host == "127.0.0.1"


def test_a_named_file_takes_the_place_of_the_usual_one() -> None:
    """--config reads that file alone."""
    Path("reelstream.toml").write_text("[batch]\nrows = 2\n")
    Path("other.toml").write_text("[data]\nlike_threshold = 3.5\n")
    settings = load(Path("other.toml"))
    assert (settings.batch.rows, settings.data.like_threshold) == (35_000, 3.5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[batch]\nrowz = 5\n", r"batch\.rowz"),
        ("[batch]\nrows = 0\n", r"batch\.rows"),
        ("[train]\nengine = 'abacus'\n", r"train\.engine"),
        ("bach = 5\n", "bach"),
        ("[batch\n", "TOML"),
    ],
)
def test_a_wrong_setting_is_named(text: str, named: str) -> None:
    """A misspelt name, a value out of bounds and a broken file are refused, each by name."""
    Path("reelstream.toml").write_text(text)
    with pytest.raises(SettingError, match=named):
        load()


def test_a_setting_whose_name_has_two_words_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the first underscore behind the prefix parts section and setting."""
    monkeypatch.setenv("REELSTREAM_DATA_LIKE_THRESHOLD", "3.5")
    assert load().data.like_threshold == 3.5


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of a known section that names no setting is not passed over."""
    monkeypatch.setenv("REELSTREAM_BATCH_ROWZ", "5")
    with pytest.raises(SettingError, match=r"batch\.rowz"):
        load()


def test_a_settings_file_that_is_not_there_is_named() -> None:
    """--config must exist."""
    with pytest.raises(SettingError, match="--config"):
        load(Path("nowhere.toml"))


def test_settings_of_kafkas_client_have_dots_wherever_they_come_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A nested table, quoted names and variables all name one setting; flags come first here
    too.
    """
    Path("reelstream.toml").write_text(
        'kafka.sasl.mechanism = "PLAIN"\nkafka.sasl.username = "file"\nkafka.sasl.password ='
        ' "file"\nkafka.socket.keepalive.enable = true\nkafka.fetch.wait.max.ms = 7\n'
    )
    monkeypatch.setenv("REELSTREAM_KAFKA_SASL_PASSWORD", "0123")
    monkeypatch.setenv("REELSTREAM_KAFKA_SASL_USERNAME", "variable")
    settings = load(flags={"kafka": {"sasl_username": "flag"}})
    assert settings.kafka == {
        "sasl.mechanism": "PLAIN",
        "sasl.username": "flag",
        "sasl.password": "0123",
        "socket.keepalive.enable": "true",
        "fetch.wait.max.ms": "7",
    }


def test_a_stage_gets_the_tree_of_its_run_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a file here or another variable holds; a flag of the stage still counts."""
    handed = load(flags={"batch.rows": 7, "kafka": {"sasl.password": "secret"}, "work": "there"})
    changed = handed.replaced({"serve.port": 5001, "work": Path("elsewhere")})
    Path("reelstream.toml").write_text("[data]\nrate = 5\n[kafka]\n'client.id' = 'mine'\n")
    monkeypatch.setenv("REELSTREAM_BATCH_ROWS", "9")
    for name, value in changed.environment().items():
        monkeypatch.setenv(name, value)
    assert load().model_dump() == changed.model_dump()
    assert (changed.batch.rows, changed.serve.port, changed.data.rate) == (7, 5001, None)
    assert changed.kafka == {"sasl.password": "secret"}
    again = load(flags={"batch.rows": 8, "kafka": {"sasl.password": "new"}})
    assert (again.batch.rows, again.serve.port, again.kafka) == (8, 5001, {"sasl.password": "new"})


def test_names_of_sparks_settings_are_checked() -> None:
    """Wherever they come from, and the wrong one is named."""
    with pytest.raises(SettingError, match=r"spark\.conf\.executor\.memory .*spark\.name=value"):
        load(flags={"spark.conf": {"spark.executor.cores": "1", "executor.memory": "2g"}})


@pytest.mark.parametrize("name", [name for name in declared_settings() if name != "kafka"])
def test_each_setting_is_read_from_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name that the documentation derives."""
    values = {
        "data.order": "file",
        "data.user_ids": "text",
        "data.item_ids": "text",
        "train.engine": "spark",
        "serve.needs_key": "true",
        "serve.tracing": "true",
        "spark.conf": '{"spark.executor.cores": "7"}',
    }
    monkeypatch.setenv(declared_settings()[name].variable, values.get(name, "7"))
    changed = load().model_dump(mode="json")
    monkeypatch.delenv(declared_settings()[name].variable)
    assert changed != load().model_dump(mode="json")
