"""`rejected requeue` may die anywhere: asked once more, each row is in a batch once."""

from collections.abc import Iterator

import pytest
import steps
from requeueing import reject_two, requeue_rows
from workers import await_death, fork, one_fork_server

from streams import Stream


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> Iterator[None]:
    with one_fork_server():
        yield


@pytest.mark.parametrize("step", steps.REDRIVE)
def test_a_killed_requeue_is_finished_by_the_next(stream: Stream, step: str) -> None:
    """kill -9 at each step."""
    reject_two(stream)
    await_death(fork(requeue_rows, stream.root, stream.dataset.folder, step))
    requeue_rows(stream.root, stream.dataset.folder)
    stream.batch()
    assert sorted(stream.ratings().user_id.tolist()) == [5, 6]
    assert stream.audit().problems == ()
