"""Every setting, typed, in one tree.

Later beats earlier: the defaults below, then `reelstream.toml` in the current folder (or the file
named by --config), then environment variables (`REELSTREAM_BATCH_ROWS=1000` is `rows` of
`[batch]`), then flags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from reelstream.errors import SettingError

DEFAULT_FILE = Path("reelstream.toml")
PREFIX = "REELSTREAM_"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataSettings(_Section):
    """Where ratings and films come from."""

    folder: Path | None = None
    """A data set's folder; without one, MovieLens's small data set is downloaded once."""
    cache: Path | None = None
    """Where downloads are kept; the platform's cache folder by default."""
    order: Literal["time", "file"] = "time"
    """Send ratings as they happened (`time`) or as they lie in the file (`file`)."""
    rate: float | None = Field(default=None, gt=0)
    """Ratings a second at most."""
    lowest: float | None = None
    """Lowest rating, where it is not the data set's own."""
    highest: float | None = None
    """Highest rating, where it is not the data set's own."""
    step: float | None = Field(default=None, gt=0)
    """Distance between two ratings, where it is not the data set's own."""
    like_threshold: float | None = None
    """A film rated so or higher is liked; 4.0 of 5 by default."""


class BrokerSettings(_Section):
    """The log that carries the ratings."""

    url: str | None = None
    """Its URL; the SQLite log in the work folder by default."""
    topic: str | None = None
    """The topic; `ratings` by default."""
    partitions: int = Field(default=3, ge=1)
    """How many partitions a new topic gets."""


class BatchSettings(_Section):
    """When the batch writer closes a batch."""

    rows: int = Field(default=35_000, ge=1)
    """As soon as it has so many ratings ..."""
    seconds: float = Field(default=5.0, gt=0)
    """... or its first rating has waited so long."""


class TrainSettings(_Section):
    """How a model set is fitted."""

    engine: Literal["local", "spark"] = "local"
    """The engine that fits."""
    keep: int = Field(default=5, ge=1)
    """How many of the newest model sets stay on disk."""
    seed: int = Field(default=0, ge=0)
    """The same seed gives the same draws."""


class SparkSettings(_Section):
    """Where and how the Spark engine runs."""

    master: str | None = None
    """The cluster's master; by default what Spark's own settings say, and without any the cores of
    this machine.
    """
    conf: dict[str, str] = {}
    """Settings of Spark by their names, which all begin with `spark.`."""
    one_task_ratings: int = Field(default=5_000_000, ge=0)
    """Up to so many ratings one task runs the whole chain; above, they are laid out in blocks."""


class ServeSettings(_Section):
    """The API."""

    host: str = "127.0.0.1"
    """0.0.0.0 opens it to other machines."""
    port: int = Field(default=5000, ge=0, le=65_535)
    """TCP port."""


class MetricsSettings(_Section):
    """What producer, batch writer and trainer tell Prometheus; the API has its own /metrics."""

    host: str = "127.0.0.1"
    """0.0.0.0 opens it to other machines."""
    port: int | None = Field(default=None, ge=0, le=65_535)
    """TCP port; None: nowhere. A run gives it to the producer, and the next two to batch writer and
    trainer.
    """


class UiSettings(_Section):
    """The page."""

    host: str = "127.0.0.1"
    """0.0.0.0 opens it to other machines."""
    port: int = Field(default=8501, ge=0, le=65_535)
    """TCP port."""
    api: str | None = None
    """URL of the API that the page asks; the one on this machine by default."""


def _named(given: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """`sasl.mechanism` for `sasl = {mechanism = ...}` of a file and `sasl_mechanism` of a variable,
    with its value.
    """
    for name, value in given.items():
        full = before + name.lower().replace("_", ".")
        if isinstance(value, Mapping):
            yield from _named(value, f"{full}.")
        else:
            yield full, str(value).lower() if isinstance(value, bool) else str(value)


class Settings(BaseSettings):
    """The tree; read it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        extra="forbid",
        frozen=True,
    )

    work: Path = Path("work")
    data: DataSettings = DataSettings()
    broker: BrokerSettings = BrokerSettings()
    kafka: dict[str, str] = {}
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
        return dict(_named(given)) if isinstance(given, Mapping) else given

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the file: the first that says something counts."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.toml_file)


def load(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings from all four places. `flags` maps dotted names (`batch.rows`) to values; None
    means not given.

    Raises SettingError, one sentence that names the setting, when a value is wrong or a name
    unknown.
    """
    if file is not None and not file.is_file():
        raise SettingError(f"{file}: no such settings file: check --config")

    class FromFile(Settings):
        toml_file = file or DEFAULT_FILE

    try:
        return FromFile(**_nested(flags or {}))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingError(
            f"setting {name} is wrong: {first['msg']} (given: {first.get('input')!r}); flags come"
            f" before {PREFIX} variables, these before {FromFile.toml_file}"
        ) from error
    except ValueError as error:  # a TOML file that cannot be parsed
        raise SettingError(f"{FromFile.toml_file} is not readable as TOML: {error}") from error


def environment_of(kafka: Mapping[str, str]) -> dict[str, str]:
    """The variables that hand settings of Kafka's client on to another process."""
    return {
        f"{PREFIX}KAFKA_{name.upper().replace('.', '_')}": value for name, value in kafka.items()
    }


def _nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        *sections, last = name.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[last] = value
    return tree
