"""The tree of settings, read from flags, environment and file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from reelstream.errors import SettingError
from reelstream.settings.declarations import PREFIX, Setting, read_declarations, setting
from reelstream.settings.sections import (
    BatchSettings,
    BrokerSettings,
    DataSettings,
    MetricsSettings,
    ServeSettings,
    SparkSettings,
    TrainSettings,
    UiSettings,
)

DEFAULT_FILE = Path("reelstream.toml")
# Holds the whole tree as JSON for a stage of a run, in place of a file and other variables.
TREE_VARIABLE = f"{PREFIX}SETTINGS"


class Settings(BaseSettings):
    """The tree; read it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        # The first underscore ends the section; those after it belong to the setting's name.
        env_nested_max_split=1,
        extra="forbid",
        frozen=True,
    )

    work: Path = setting(
        Path("work"), "The work folder: everything of one stream.", flag="--work", metavar="DIR"
    )
    data: DataSettings = DataSettings()
    broker: BrokerSettings = BrokerSettings()
    kafka: dict[str, str] = setting(
        {}, "A setting of Kafka's client; may be repeated.", flag="--kafka", metavar="NAME=VALUE"
    )
    batch: BatchSettings = BatchSettings()
    train: TrainSettings = TrainSettings()
    spark: SparkSettings = SparkSettings()
    serve: ServeSettings = ServeSettings()
    ui: UiSettings = UiSettings()
    metrics: MetricsSettings = MetricsSettings()

    toml_file: ClassVar[Path | None] = None

    @field_validator("kafka", mode="before")
    @classmethod
    def _flatten(cls, given: object) -> object:
        # Kafka's names have dots: TOML makes nested tables of them, a variable has underscores.
        return dict(_dotted(given)) if isinstance(given, Mapping) else given

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the file: the first that has a value counts."""
        # A run has merged all places already: merging again here could only change what it decided.
        whole = os.environ.get(TREE_VARIABLE)
        if whole is not None:
            return init_settings, InitSettingsSource(settings_cls, json.loads(whole))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.toml_file)

    def replaced(self, values: Mapping[str, object]) -> Settings:
        """A tree with other values, which are not checked, under their dotted names."""
        tree = self
        for name, value in values.items():
            section, _, last = name.rpartition(".")
            changed = {last: value}
            if section:
                changed = {section: getattr(tree, section).model_copy(update=changed)}
            tree = tree.model_copy(update=changed)
        return tree

    def environment(self) -> dict[str, str]:
        """The variable that hands the whole tree on to another process, whose flags still count.

        Secrets of Kafka's client are in it: everybody can read a command line, but only its owner
        the environment of a process.
        """
        return {TREE_VARIABLE: self.model_dump_json()}


def declared_settings() -> dict[str, Setting]:
    """Every setting under its dotted name, in the order of the tree."""
    return {each.name: each for each in read_declarations(Settings)}


def load(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings from all four places.

    Args:
        file: Read in place of `reelstream.toml`.
        flags: Values by dotted name (`batch.rows`); None means that the flag was not given.

    Raises:
        SettingError: A value is wrong or a name unknown; one sentence that names the setting.
    """
    # pydantic passes over a file that is missing, as is right for the default one only.
    if file is not None and not file.is_file():
        raise SettingError(f"{file}: no such settings file: check --config")

    # pydantic takes the file from a class, and each call may name another.
    class FromFile(Settings):
        toml_file = file or DEFAULT_FILE

    try:
        return FromFile(**_nested(flags or {}))
    except ValidationError as error:
        # One sentence is enough: the next start names the next mistake.
        first = error.errors()[0]
        # pydantic puts [key] into the place of an error in the key of a dictionary.
        name = ".".join(str(part) for part in first["loc"] if part != "[key]")
        message = first["msg"].removeprefix("Value error, ")
        raise SettingError(
            f"setting {name} is wrong: {message} (given: {first.get('input')!r}); flags come "
            f"before {PREFIX} variables, these before {FromFile.toml_file}"
        ) from error
    except ValueError as error:  # a TOML file that cannot be parsed
        raise SettingError(f"{FromFile.toml_file} is not readable as TOML: {error}") from error


def _dotted(given: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """`sasl.mechanism` with its value, whether a file nests it or a variable has underscores."""
    for name, value in given.items():
        full = prefix + name.lower().replace("_", ".")
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{full}.")
        else:
            # Kafka's client reads `true`, where Python writes `True`.
            yield full, str(value).lower() if isinstance(value, bool) else str(value)


def _nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of what was given. Kafka's names are spelt as in variables, which they replace."""
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        section, _, last = name.rpartition(".")
        branch = tree.setdefault(section, {}) if section else tree
        branch[last] = value
    if "kafka" in tree:
        tree["kafka"] = {name.replace(".", "_"): value for name, value in tree["kafka"].items()}
    return tree
