"""What a sweep costs on a cluster, from measured parts: the formula of docs/spark.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reelstream.engines.interface import FitParameters

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def sizing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import spark_sizing  # noqa: PLC0415  (a benchmark's module is no package)

    yield spark_sizing
    del sys.modules["spark_sizing"]


def test_parts_are_found_again_in_the_sweeps_that_they_make(sizing: Any) -> None:
    """Sizes with different shares of ratings and films tell the two apart."""
    sizes = [(100_000, 9_700), (1_000_000, 4_000), (10_000_000, 20_000), (32_000_000, 80_000)]
    rows = [
        {"ratings": n, "items": items, "sweep_seconds": 0.2 + 1e-7 * n / 2 + 2e-5 * items}
        for n, items in sizes
    ]
    parts = sizing.parts_of(rows, 0.2, cores=2)
    assert (parts.fixed, parts.a_rating, parts.an_item) == pytest.approx((0.2, 1e-7, 2e-5))


def test_a_part_is_never_negative(sizing: Any) -> None:
    """Sweeps that cost nothing beyond the fixed seconds have no other part."""
    rows = [{"ratings": n, "items": 1000, "sweep_seconds": 0.1} for n in (1000, 2000)]
    parts = sizing.parts_of(rows, 0.2, cores=2)
    assert (parts.a_rating, parts.an_item) == (0, 0)


def test_a_sweep_moves_gram_matrices_by_task_and_rows_by_machine(sizing: Any) -> None:
    """By hand: 4 machines, 2 tasks each, three quarters of a shuffle leave their machine."""
    cluster = sizing.Cluster(machines=4, cores=8, gigabits=8, task_cores=4)
    swept = sizing.sweep_on(cluster, sizing.Parts(0.5, 1e-6, 1e-4), ratings=3_200_000, items=1000)
    grams = 8 * 1000 * 1224 * 3 / 4
    assert swept["tasks"] == 8
    assert swept["moved_bytes"] == grams + 4 * 1000 * 136 + 1000 * 128
    assert swept["wire_seconds"] == pytest.approx((grams / 4 + 1000 * (136 + 128)) / 1e9)
    assert swept["sweep_seconds"] == pytest.approx(0.5 + 0.1 + 0.1 + swept["wire_seconds"])


def test_the_documentation_has_the_bytes_of_the_formula(sizing: Any) -> None:
    """docs/spark.md says what moves: rows and Gram matrices as wide as those of a fit of a
    billion.
    """
    page = (BENCHMARKS.parent / "docs" / "spark.md").read_text()
    assert FitParameters().for_size(10**9, 10**7).n_factors + 1 == sizing.WIDTH
    for size, places in (
        (sizing.GRAM_BYTES, "T I"),
        (sizing.PLAN_BYTES, "M I"),
        (sizing.DRAWN_BYTES, "I"),
    ):
        assert f"| {size:,} {places} |" in page
