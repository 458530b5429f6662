"""Shares of a compiled function, on threads."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable

import numpy as np
import pytest

from reelstream.compute import threads


def note(thread: int, of: int, seen: list[tuple[int, int]]) -> None:
    seen.append((thread, of))


def test_every_share_is_done_once(use_threads: Callable[[int], None]) -> None:
    for number in (1, 2, 5):
        use_threads(number)
        seen: list[tuple[int, int]] = []
        threads.share(note, seen)
        assert sorted(seen) == [(thread, number) for thread in range(number)]


def test_shares_are_done_at_once(use_threads: Callable[[int], None]) -> None:
    use_threads(2)
    both = threading.Barrier(2)
    threads.share(lambda thread, of: both.wait(30) and None)


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_in_one_share_comes_out_when_all_have_ended(
    failing: int, use_threads: Callable[[int], None]
) -> None:
    use_threads(2)
    other_ended = threading.Event()

    def work(thread: int, of: int) -> None:
        if thread == failing:
            raise ValueError("a bad share")
        other_ended.set()

    with pytest.raises(ValueError, match="a bad share"):
        threads.share(work)
    assert other_ended.is_set()


def fill(thread: int, of: int, values: np.ndarray) -> None:
    values[thread::of] = thread + 1


def _sum_in_child(answers: multiprocessing.Queue[float]) -> None:
    values = np.zeros(10)
    threads.share(fill, values)
    answers.put(float(values.sum()))


def test_a_forked_process_has_threads_of_its_own(use_threads: Callable[[int], None]) -> None:
    """The parent's do not live there: work given to them would wait for ever."""
    use_threads(2)
    threads.share(fill, np.zeros(10))
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[float] = context.Queue()
    child = context.Process(target=_sum_in_child, args=(answers,))
    child.start()
    assert answers.get(timeout=60) == 15
    child.join(60)
    assert child.exitcode == 0
