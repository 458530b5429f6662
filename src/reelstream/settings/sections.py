"""The sections of the tree: each setting is declared here, and only here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from reelstream.ratings.ids import IdKind
from reelstream.settings.declarations import setting


class _Section(BaseModel):
    # A misspelt setting is an error: passed over, it would be missed for long.
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Section):
    """Where ratings and films come from."""

    folder: Path | None = setting(
        None,
        "A data set's folder, archive, or ratings file.",
        flag="--data",
        metavar="DIR",
        default_text="the work folder's, else MovieLens small, downloaded once",
    )
    cache: Path | None = setting(
        None, "Where downloads are kept.", default_text="the cache folder of your account"
    )
    columns: str | None = setting(
        None,
        "Which columns are which, by name or number: user=…,item=…,rating=…,timestamp=…",
        flag="--columns",
        metavar="ROLE=NAME,…",
        default_text="by the header's names",
    )
    scale: str | None = setting(
        None,
        "Lowest rating, highest, and the step between two, such as 0:10:1.",
        flag="--scale",
        metavar="LOW:HIGH:STEP",
        default_text="found from the ratings",
    )
    user_ids: IdKind | None = setting(
        None,
        "Whether the ids of users are numbers, or texts kept as they are written.",
        flag="--user-ids",
        default_text="found from the ratings",
    )
    item_ids: IdKind | None = setting(
        None,
        "Whether the ids of items are numbers, or texts kept as they are written.",
        flag="--item-ids",
        default_text="found from the ratings",
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
    workers: int = setting(
        1,
        "Processes that answer on the one port; each holds models and histories by itself.",
        flag="--workers",
        metavar="N",
        ge=1,
    )
    needs_key: bool = setting(
        False,
        "Demand a key on this machine too; elsewhere it is demanded always.",
        flag="--needs-key",
    )
    rate: int | None = setting(
        None,
        "Answer at most so many requests a second to one key or address, in each worker.",
        flag="--rate",
        metavar="N",
        default_text="no limit on this machine, elsewhere 100",
        ge=1,
    )
    origins: str | None = setting(
        None,
        "Web pages that may use the API: https://HOST, several with commas between them.",
        flag="--origins",
        metavar="ORIGIN,…",
        default_text="none of another origin",
    )
    proxies: int = setting(
        0,
        "So many proxies stand before the server and say who asks, in X-Forwarded-… headers; every "
        "request then needs a key.",
        flag="--proxies",
        metavar="N",
        ge=0,
    )
    tracing: bool = setting(
        False,
        "Send a trace of each request to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.",
        flag="--tracing",
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
    api_key_file: Path | None = setting(
        None,
        "A file that holds a key for the API.",
        flag="--api-key-file",
        metavar="FILE",
        default_text="page.key in the work folder, where there is one",
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
