"""Every setting, declared once: its type, default, limits, flag and one line of help.

Later beats earlier: the defaults below, then `reelstream.toml` in the current folder (or the file
named by --config), then environment variables (`REELSTREAM_BATCH_ROWS=1000` is `rows` of
`[batch]`), then flags. The options of the command line, the tables in `docs/cli.md`, and what
`reelstream run` hands to its stages are derived from this tree.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from reelstream.errors import SettingError

DEFAULT_FILE = Path("reelstream.toml")
PREFIX = "REELSTREAM_"
TREE_VARIABLE = f"{PREFIX}SETTINGS"
"""Holds the whole tree as JSON for a stage of a run, in place of a file and other variables."""


def setting(
    default: object,
    help: str,  # noqa: A002  (what typer and argparse call it)
    *,
    flag: str | None = None,
    metavar: str | None = None,
    default_text: str | None = None,
    **limits: Any,
) -> Any:
    """Declare a setting in a section of the tree.

    Args:
        default: Its value when nobody sets it.
        help: One line for the command line and the documentation.
        flag: The option that sets it; without one only a file or the environment does.
        metavar: How help and documentation write the option's value.
        default_text: What holds by default, where `default` does not say it.
        limits: `ge`, `gt`, `le` and `lt`, as in pydantic.
    """
    cli: Any = {"flag": flag, "metavar": metavar, "default_text": default_text}
    return Field(default, description=help, json_schema_extra={"cli": cli}, **limits)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Section):
    """Where ratings and films come from."""

    folder: Path | None = setting(
        None,
        "A data set's folder, or a ratings file.",
        flag="--data",
        metavar="DIR",
        default_text="the work folder's, else MovieLens small, downloaded once",
    )
    cache: Path | None = setting(
        None, "Where downloads are kept.", default_text="the cache folder of your account"
    )
    order: Literal["time", "file"] = setting(
        "time", "Send ratings as they happened, or as they lie in the file.", flag="--order"
    )
    rate: float | None = setting(
        None,
        "Send at most so many ratings a second.",
        flag="--rate",
        metavar="R",
        default_text="no limit",
        gt=0,
    )
    lowest: float | None = setting(None, "The lowest rating.", default_text="the data set's")
    highest: float | None = setting(None, "The highest rating.", default_text="the data set's")
    step: float | None = setting(
        None, "The distance between two ratings.", default_text="the data set's", gt=0
    )
    like_threshold: float | None = setting(
        None, "A film rated so or higher is liked.", default_text="4 of 5, 8 of 10"
    )


class BrokerSettings(_Section):
    """The log that carries the ratings."""

    url: str | None = setting(
        None,
        "The log: sqlite:PATH or kafka://HOST:PORT.",
        flag="--broker",
        metavar="URL",
        default_text="sqlite:log.db in the work folder",
    )
    topic: str | None = setting(
        None, "The log's topic.", flag="--topic", metavar="NAME", default_text="ratings"
    )
    partitions: int = setting(
        3, "How many partitions a new topic gets.", flag="--partitions", metavar="N", ge=1
    )


class BatchSettings(_Section):
    """When the batch writer closes a batch."""

    rows: int = setting(
        35_000,
        "Close a batch when it has so many ratings ...",
        flag="--batch-rows",
        metavar="N",
        ge=1,
    )
    seconds: float = setting(
        5.0,
        "... or when its first rating has waited so long.",
        flag="--batch-seconds",
        metavar="S",
        gt=0,
    )


class TrainSettings(_Section):
    """How a model set is fitted."""

    engine: Literal["local", "spark"] = setting("local", "What fits the models.", flag="--engine")
    keep: int = setting(
        5, "How many of the newest sets stay on disk.", flag="--keep", metavar="N", ge=1
    )
    seed: int = setting(
        0,
        "The same seed gives the same sets; later sets continue the first one's chain.",
        flag="--seed",
        metavar="N",
        ge=0,
    )


def _named_for_spark(name: str) -> str:
    if not name.startswith("spark."):
        raise ValueError("it is not a setting of Spark: write spark.name=value")
    return name


class SparkSettings(_Section):
    """Where and how the Spark engine runs."""

    master: str | None = setting(
        None,
        "The Spark cluster, as spark-submit has it.",
        flag="--master",
        metavar="URL",
        default_text="Spark's own settings",
    )
    conf: dict[Annotated[str, AfterValidator(_named_for_spark)], str] = setting(
        {}, "A setting of Spark; may be repeated.", flag="--conf", metavar="KEY=VALUE"
    )
    one_task_ratings: int = setting(
        5_000_000,
        "Up to so many ratings, one Spark task runs the whole chain; above, it runs in blocks.",
        ge=0,
    )


class ServeSettings(_Section):
    """The API."""

    host: str = setting(
        "127.0.0.1",
        "The address to listen on; 0.0.0.0 opens it to others.",
        flag="--host",
        metavar="ADDRESS",
    )
    port: int = setting(
        5000, "The API's port; 0 takes a free one.", flag="--port", metavar="P", ge=0, le=65_535
    )


class UiSettings(_Section):
    """The page."""

    host: str = setting(
        "127.0.0.1",
        "The address to listen on; 0.0.0.0 opens it to others.",
        flag="--host",
        metavar="ADDRESS",
    )
    port: int = setting(
        8501, "The page's port; 0 takes a free one.", flag="--ui-port", metavar="P", ge=0, le=65_535
    )
    api: str | None = setting(
        None,
        "The API that the page queries.",
        flag="--api",
        metavar="URL",
        default_text="the one on this machine",
    )


class MetricsSettings(_Section):
    """What producer, batch writer and trainer tell Prometheus; the API has its own /metrics."""

    host: str = setting("127.0.0.1", "Where metrics are served; 0.0.0.0 opens them to others.")
    port: int | None = setting(
        None,
        "Serve metrics for Prometheus here; 0 takes a free port. A run gives it to the producer, "
        "and the next two to batch writer and trainer.",
        flag="--metrics-port",
        metavar="P",
        default_text="nowhere",
        ge=0,
        le=65_535,
    )


class Settings(BaseSettings):
    """The tree; read it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A setting as it is declared."""

    name: str
    """Its dotted name: `batch.rows`."""
    type: Any
    """What its value is: `int`, `float | None`, ..."""
    help: str
    flag: str | None
    metavar: str | None
    minimum: int | None
    maximum: int | None
    default: str | None
    """What holds when nobody sets it; None: nothing."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper().replace(".", "_")


def declared_settings() -> dict[str, Setting]:
    """Every setting under its dotted name, in the order of the tree."""
    return {each.name: each for each in _declared(Settings)}


def load(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings from all four places.

    Args:
        file: Read in place of `reelstream.toml`.
        flags: Values by dotted name (`batch.rows`); None means that the flag was not given.

    Raises:
        SettingError: A value is wrong or a name unknown; one sentence that names the setting.
    """
    if file is not None and not file.is_file():
        raise SettingError(f"{file}: no such settings file: check --config")

    class FromFile(Settings):
        toml_file = file or DEFAULT_FILE

    try:
        return FromFile(**_nested(flags or {}))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"] if part != "[key]")
        message = first["msg"].removeprefix("Value error, ")
        raise SettingError(
            f"setting {name} is wrong: {message} (given: {first.get('input')!r}); flags come "
            f"before {PREFIX} variables, these before {FromFile.toml_file}"
        ) from error
    except ValueError as error:  # a TOML file that cannot be parsed
        raise SettingError(f"{FromFile.toml_file} is not readable as TOML: {error}") from error


def _declared(section: type[BaseModel], prefix: str = "") -> Iterator[Setting]:
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _declared(inner, f"{name}.")
        else:
            yield _setting_of(prefix + name, field)


def _setting_of(name: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or field.description is None:
        raise TypeError(f"declare {name} by setting()")
    cli: Any = extra["cli"]
    limits = {
        key: getattr(each, key)
        for each in field.metadata
        for key in ("ge", "le")
        if hasattr(each, key)
    }
    return Setting(
        name=name,
        type=field.annotation,
        help=field.description,
        flag=cli["flag"],
        metavar=cli["metavar"],
        minimum=limits.get("ge"),
        maximum=limits.get("le"),
        default=cli["default_text"] or _text_of(field.default),
    )


def _text_of(default: object) -> str | None:
    if isinstance(default, float):
        return f"{default:g}"
    return None if default is None or default == {} else str(default)


def _dotted(given: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """`sasl.mechanism` with its value, whether a file nests it or a variable has underscores."""
    for name, value in given.items():
        full = prefix + name.lower().replace("_", ".")
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{full}.")
        else:
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
