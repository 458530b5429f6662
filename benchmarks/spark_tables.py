"""What benchmarks/spark.py and benchmarks/memory.py found, as text, tables and a plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from charts import Line, growth_chart
from markdown_tables import digits, table

Result = Mapping[str, Any]


def spark(results: Result) -> Iterable[str]:
    """The same split, the pipelines, growth, paper."""
    data, seeds = results["data"], [str(split["seed"]) for split in results["splits"]]
    yield (
        f"Everything on {data['cores']} cores of one machine. The same ratings of {data['name']} to"
        f" learn and to predict, random 80/20, mean of seeds {', '.join(seeds)} for reelstream and"
        f" seed {seeds[0]} for MLlib; each in a process of its own, after a first fit that is not"
        " timed. CPU and memory are of all processes of a fit together, Java's and the workers'"
        " among them. The fits of reelstream are of all three models, MLlib's of one each. The"
        " search for ALS's setting is not timed, its CPU holds its answers too.\n"
    )
    yield table(
        ["", "RMSE", "AUC", "seconds", "seconds of CPU", "peak GiB"],
        [
            [
                f"**{row['name']}**" if row["name"].startswith("reelstream") else row["name"],
                digits(row["rmse"]),
                digits(row["auc"]),
                *(f"{row[name]:.1f}" for name in ("seconds", "cpu_seconds", "peak_gib")),
            ]
            for row in [
                *mean_rows([split["engines"] for split in results["splits"]]),
                *results["peers"],
            ]
        ],
    )
    yield (
        "### The tutorial pipeline\n\nThree sets from three batch files by `spark-submit`, start of"
        " Spark included: a random forest, ALS and K-means as tutorials write them"
        " (`benchmarks/peers/spark_tutorial.py`), and `spark_training.py`. Scores of the third set"
        " on held-out ratings.\n"
    )
    yield table(
        ["", "seconds", "RMSE", "AUC"],
        [
            [row["name"], f"{row['seconds']:.1f}", digits(row["rmse"]), digits(row["auc"])]
            for row in results["tutorial"]
        ],
    )
    yield (
        f"### Growth\n\nSimulated ratings, blocks on `local[{data['cores']}]` beside the local"
        f" engine, all parts on. *Fixed* is a sweep of {data['tiny']['ratings']:,} ratings of"
        f" {data['tiny']['items']} films, next to no work: {results['fixed_seconds']:.2f} s."
        " *Around* is all of a fit but its sweeps: reading, blocks, history, segments, the like"
        " model. In local mode Java holds driver and executor.\n"
    )
    yield "![Seconds a sweep in blocks against ratings](images/benchmark-spark-growth.svg)\n"
    yield table(
        [
            "ratings",
            "films",
            "s a sweep, local",
            "blocks",
            "around: s",
            "peak GiB: Python",
            "Java",
            "workers",
        ],
        [
            [
                f"{row['ratings']:,}",
                f"{row['items']:,}",
                *(f"{row[name]['sweep_seconds']:.2f}" for name in ("local", "blocks")),
                f"{row['blocks']['other_seconds']:.0f}",
                *(
                    f"{row['blocks']['peak_gib'][name]:.2f}"
                    for name in ("python", "jvm", "workers")
                ),
            ]
            for row in results["growth"]
        ],
    )
    yield f"### On paper\n\n{sizing(results)}"


def memory(results: Result) -> Iterable[str]:
    """A row a size."""
    yield (
        f"A standalone cluster, {results['users']:,} users and {results['items']:,} films whatever"
        " the number of ratings. The trainer makes a first set of so many ratings, and one of a"
        f" further batch of {results['new_ratings']:,}, record and gate included: peak of the"
        " driver's two processes. The record scores an even sample of the further batch's users, so"
        " that its work is bounded too.\n"
    )
    yield table(
        ["ratings", "of the further batch scored", "Python: GiB", "Java: GiB"],
        [
            [
                f"{row['ratings']:,}",
                f"{row['asked']:,}",
                f"{row['python_gib']:.2f}",
                f"{row['jvm_gib']:.2f}",
            ]
            for row in results["sizes"]
        ],
    )


def mean_rows(tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Means of every figure over tables with the same rows."""
    return [
        {
            name: float(np.mean([row[name] for row in same])) if isinstance(value, float) else value
            for name, value in same[0].items()
        }
        for same in zip(*tables, strict=True)
    ]


def sizing(results: Result) -> str:
    """A billion ratings on a cluster, computed from measured parts: for the page of benchmarks and
    the one of Spark.
    """
    parts, paper = results["parts"], results["paper"]
    clusters = paper["clusters"]
    first = next(iter(clusters.values()))
    return (
        f"{paper['ratings']:,} ratings of {paper['items']:,} films on {first['machines']} machines"
        f" of {first['cores']} cores and {first['gigabits']} Gbit/s. Measured: {parts['fixed']:.2f}"
        f" s fixed, {parts['a_rating'] * 1e9:.0f} ns of a core for a rating,"
        f" {parts['an_item'] * 1e6:.1f} µs for a film.\n\n"
        + table(
            [
                "",
                "tasks",
                "GB moved a sweep",
                "fixed: s",
                "ratings: s",
                "films: s",
                "wire: s",
                "s a sweep",
                "GB of ratings a machine",
            ],
            [
                [
                    name,
                    row["tasks"],
                    f"{row['moved_bytes'] / 1e9:.1f}",
                    *(
                        f"{row[f'{part}_seconds']:.2f}"
                        for part in ("fixed", "rating", "item", "wire", "sweep")
                    ),
                    f"{row['machine_bytes'] / 1e9:.1f}",
                ]
                for name, row in clusters.items()
            ],
        )
    )


def spark_growth_plot(results: Result) -> str:
    """Blocks beside the local engine."""
    return growth_chart(
        [
            Line(title, [(row["ratings"], row[name]["sweep_seconds"]) for row in results["growth"]])
            for name, title in (("local", "local engine"), ("blocks", "Spark, blocks"))
        ]
    )
