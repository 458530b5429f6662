"""Data that tests of several rooms need: real where REELSTREAM_TEST_DATA names it, simulated
elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, settings

from kafka_cluster import KAFKA_MARKS, KafkaCluster, why_not
from reelstream.compute import threads
from reelstream.datasets import detect, simulate
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import fit_models
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from spark_session import spark_engine  # noqa: F401  (a fixture)
from streams import Stream


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the stream is that is killed at random: short here, longer in `make crash-test`."""
    parser.addoption("--kills", type=int, default=6)
    parser.addoption("--ratings", type=int, default=20_000)


settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

SHARED_PROCESSES = {
    "spark_cluster": "spark cluster",
    "kafka_cluster": "kafka",
    "spark_engine": "spark",
}
"""Fixture -> the group of the tests that use it, the first that counts. One worker runs a whole
group, so that each process is started once. The longest stands first, since it starts first.
"""
SHARED_SETS = {
    "trained_folder": "trained folder",
    "fitted": "fitted set",
}
"""The same of what takes seconds to train."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Mark what needs Java, group it, and put long groups and slow tests first: no worker is to be
    left with one of them at the end.

    A wrapper, because xdist reads the groups in this very hook: a group named later is ignored.
    """
    shared = SHARED_PROCESSES | SHARED_SETS
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for name in [name for name in shared if name in used][:1]:
            item.add_marker(pytest.mark.xdist_group(shared[name]))
            if name in SHARED_PROCESSES:
                item.add_marker(pytest.mark.java)
    items.sort(key=_place)
    return (yield)


def _place(item: pytest.Item) -> int:
    """A test with a lower number is to start earlier."""
    groups = {mark.args[0] for mark in item.iter_markers("xdist_group")}
    for place, group in enumerate(SHARED_PROCESSES.values()):
        if group in groups:
            return place
    is_slow = next(item.iter_markers("slow"), None) is not None
    return len(SHARED_PROCESSES) + (0 if is_slow else 1 if groups else 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing is skipped, except what needs real data where there is none."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if "REELSTREAM_TEST_DATA" in os.environ or "REELSTREAM_TEST_DATA" not in reason:
            report.outcome, report.longrepr = "failed", f"skipped in CI: {item.nodeid}: {reason}"
    return report


def real_data(name: str) -> Path | None:
    """The folder `name` of real data, if this machine has it."""
    root = os.environ.get("REELSTREAM_TEST_DATA")
    folder = Path(root) / name if root else None
    return folder if folder is not None and folder.is_dir() else None


@pytest.fixture(autouse=True, scope="session")
def _no_log_outlives_its_stream() -> Iterator[None]:
    """A logger that is kept would go on writing to the stream of the test that was the first to use
    it.
    """
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            structlog,
            "configure",
            lambda **options: configure(**options | {"cache_logger_on_first_use": False}),
        )
        yield


@pytest.fixture(autouse=True, scope="session")
def _untraced_children() -> Iterator[None]:
    """Processes that a test starts run without the tracer of coverage, which takes a third of
    their time: what they run is tested in this process as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


@pytest.fixture
def use_threads() -> Iterator[Callable[[int], None]]:
    """`threads.use`, until the test ends."""
    before = threads.count()
    yield threads.use
    threads.use(before)


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A command that a test runs configures the logs, onto a stream that ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A Kafka broker that all tests share: each takes topics of its own, and leaves the broker
    running.
    """
    if reason := why_not():
        pytest.skip(reason)
    with KafkaCluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kafka_url(kafka_cluster: KafkaCluster) -> str:
    """Where it is."""
    return kafka_cluster.url


@pytest.fixture(scope="session")
def movielens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ml-latest-small, or a simulated one of about its shape."""
    real = real_data("ml-latest-small")
    if real is not None:
        return real
    folder = tmp_path_factory.mktemp("data") / "simulated"
    simulate(folder, users=600, items=3000, ratings=60_000, seed=1)
    return folder


@pytest.fixture(scope="session")
def movies_dataset() -> Path:
    """The folder of The Movies Dataset, which cannot be simulated: its flaws are what the tests are
    about.
    """
    real = real_data("the-movies-dataset")
    if real is None:
        reason = (
            "The Movies Dataset is not here: set REELSTREAM_TEST_DATA to a folder with"
            " the-movies-dataset/"
        )
        if os.environ.get("CI") == "true" and "REELSTREAM_TEST_DATA" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    return real


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated folder that is read in a moment: 60 users, 120 films, 3000 ratings."""
    folder = tmp_path_factory.mktemp("data") / "small"
    simulate(folder, users=60, items=120, ratings=3000, seed=1)
    return folder


@pytest.fixture(scope="session")
def small_model_set(small_dataset: Path) -> ModelSet:
    """A real set of the small data set, fitted in a moment."""
    dataset = detect(small_dataset)
    ratings, catalog = dataset.read_ratings(), dataset.read_catalog().catalog
    parameters = FitParameters(n_factors=3, sweeps=20, burn_in=10, n_draws=2)
    context = FitContext(catalog=catalog, scale=RatingScale(), parameters=parameters)
    models = fit_models(Histories.of(ratings), context)
    trained_on = TrainedOn({0: len(ratings)}, {})
    return ModelSet(
        number=1, models=models, catalog=catalog, scale=RatingScale(), trained_on=trained_on
    )


@pytest.fixture
def stream(tmp_path: Path, small_dataset: Path) -> Stream:
    """A stream of the small data set, of which nothing is sent yet."""
    return Stream(tmp_path / "work", detect(small_dataset))


@pytest.fixture(params=["stream", pytest.param("kafka_stream", marks=KAFKA_MARKS)])
def any_stream(request: pytest.FixtureRequest) -> Stream:
    """The same on each log."""
    made: Stream = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def kafka_stream(tmp_path: Path, small_dataset: Path, kafka_url: str) -> Stream:
    """The same on Kafka, in a topic of its own with three partitions."""
    made = Stream(tmp_path / "work", detect(small_dataset), f"t{uuid4().hex}", kafka_url)
    made.make_topic()
    return made
