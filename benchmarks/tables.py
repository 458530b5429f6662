"""Write docs/benchmarks.md, its plots and the sizes in docs/spark.md from
benchmarks/results/*.json.

`--check` only says whether they are up to date. Nothing there is typed by hand: a figure that no
benchmark has written is not there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from charts import Axis, Line, growth_chart, line_chart
from common import ROOT, read_result
from markdown_tables import digits, table
from spark_tables import memory, sizing, spark, spark_growth_plot

DOCS = ROOT / "docs"
PAGE, SPARK_PAGE = "benchmarks.md", "spark.md"
# Since when there is the second rating model, and the sections that do not rest on it. Others say
# that they were measured earlier until they are measured again.
SECOND_RATING_MODEL = "2026-11-28 16:14 UTC"
WITHOUT_RATING_MODEL = {"ingest", "segments"}
EARLIER_MODEL = "*Measured with the first rating model, not with the present one.*\n"
SHARES = [(each / 5, f"{each / 5:.1f}") for each in range(6)]

INTRODUCTION = """# Benchmarks

Each benchmark is one file in `benchmarks/` and answers one question. It writes its result to `benchmarks/results/`, with
the machine, the versions and the commit, and fails when one of its bars is missed. `make bench-tables` makes this page
from those files: no figure on it is typed by hand.

```sh
export REELSTREAM_TEST_DATA=folder   # holds ml-latest-small/ and the-movies-dataset/
make bench-startup bench-accuracy bench-ranking bench-choice bench-calibration bench-mood bench-segments bench-training bench-ingest bench-serving bench-hostile
make bench-spark bench-memory
make bench-tables
```

`make bench-accuracy ARGS="--quick"` takes one seed and the fast libraries. `make bench-training ARGS="--small"`,
`make bench-spark ARGS="--small"` and `make bench-memory ARGS="--small"` leave out 32 million ratings; `make bench-choice
ARGS="--ratings 2000000 --items 20000"` takes fewer.
"""

Result = Mapping[str, Any]


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the page is not up to date"
    )
    check = parser.parse_args().check
    stale = []
    for name, text in files().items():
        path = DOCS / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not check:
                path.write_text(text)
    for name in stale:
        print(
            f"docs/{name}"
            f" {'is not what the results say: run make bench-tables' if check else 'written'}"
        )
    return 1 if check and stale else 0


def files() -> dict[str, str]:
    """Every generated file of the docs, by its path there."""
    page = [INTRODUCTION]
    made: dict[str, str] = {}
    for name, (heading, section, plots) in SECTIONS.items():
        result = read_result(name)
        if result is None:
            continue
        is_earlier = result["measured_at"] < SECOND_RATING_MODEL
        page += [
            f"## {heading}\n",
            *([EARLIER_MODEL] if is_earlier and name not in WITHOUT_RATING_MODEL else []),
            *section(result["results"]),
            *bars(result["bars"]),
            provenance(result),
        ]
        made |= {
            f"images/benchmark-{plot}.svg": draw(result["results"]) for plot, draw in plots.items()
        }
    return {PAGE: "\n".join(page), SPARK_PAGE: with_sizing((DOCS / SPARK_PAGE).read_text()), **made}


def with_sizing(page: str) -> str:
    """The page of Spark with the table between its two marks made anew; as it is while there is no
    result.
    """
    result = read_result("spark")
    if result is None:
        return page
    before, begin, rest = page.partition("<!-- sizing: made by make bench-tables -->\n")
    _, end, after = rest.partition("<!-- sizing ends -->\n")
    return f"{before}{begin}{sizing(result['results'])}{end}{after}"


def startup(results: Result) -> Iterable[str]:
    """A row a data set."""
    yield (
        "An empty work folder, nothing compiled: `reelstream run --until-set 3`, page included,"
        " until it has ended.\n"
    )
    yield table(
        ["data", "seconds", "ratings", "batch files", "audit"],
        [
            [
                row["data"],
                f"{row['seconds']:.1f}",
                f"{row['rows']:,}",
                row["batches"],
                problems(row["audit_problems"]),
            ]
            for row in results["starts"]
        ],
    )


def ingest(results: Result) -> Iterable[str]:
    """What goes in, what comes out, and what else could."""
    yield (
        f"{results['rows']:,} ratings through a broker on the same machine, keyed, acknowledged by"
        " all replicas, each with a header that names its row; then from the topic's start into"
        " batch files, manifests and hashes included. The plain consumer polls, decodes with"
        " `json`, writes with `csv` and commits by itself, without exactly-once delivery. The"
        " client alone reads and discards: the limit for anything built on it. Python runs one"
        " thread at a time, so the time of that thread is the time of a pass when a core is free"
        " for it.\n"
    )
    what = {
        "produce": "producer",
        "batch": "batch writer",
        "plain_consumer": "plain consumer",
        "client": "client alone",
    }
    yield table(
        ["", "ratings a second", "seconds of CPU, Python's thread", "and all threads"],
        [
            [
                label,
                f"{results[f'{name}_per_s']:,.0f}",
                *(f"{results[f'{name}_{of}_cpu_s']:.1f}" for of in ("python", "process")),
            ]
            for name, label in what.items()
        ],
    )


def problems(count: int) -> str:
    """What an audit found, in words."""
    return "clean" if not count else f"{count} problems"


def accuracy(results: Result) -> Iterable[str]:
    """The means over the random splits, then the time split."""
    data, seeds = results["data"], list(results["random"])
    yield (
        "Every library learns and predicts the same ratings. *Gap* is its RMSE less that of the"
        " reelstream with the same information: times withheld against libraries that ignore time,"
        " times used against those that use it; ± is one standard error, clustered by user. AUC is"
        " for liking (rating ≥ 4): by the like probability for reelstream, by the predicted rating"
        " for the others.\n"
    )
    yield (
        f"### Random 80/20\n\n{data['name']}, {data['ratings']:,} ratings, mean of seeds"
        f" {', '.join(seeds)}.\n"
    )
    yield standings(over_seeds(list(results["random"].values())))
    yield (
        f"### By time\n\nThe newest third of {data['name']}, predicted in order. Every library is"
        f" fitted again before each of {data['batches']} batches; LightGBM's features are up to"
        " date at each query. reelstream is fitted once and learns each rating after predicting"
        " it.\n"
    )
    yield standings(results["time"])
    if results["missing"]:
        yield (
            "Left out: "
            + "; ".join(f"{name} ({reason})" for name, reason in results["missing"].items())
            + ".\n"
        )


def over_seeds(tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Means of every figure; the largest of the standard errors, for the splits share their
    ratings.
    """
    rows = []
    for same in zip(*tables, strict=True):
        figures = [name for name, value in same[0].items() if isinstance(value, float)]
        mean = {name: float(np.mean([row[name] for row in same])) for name in figures}
        largest = max(row["behind_standard_error"] for row in same)
        rows.append({**same[0], **mean, "behind_standard_error": largest})
    return rows


def standings(rows: Sequence[Mapping[str, Any]]) -> str:
    """Best RMSE first."""
    return table(
        ["", "RMSE", "gap", "AUC", "log loss", "ECE", "within 1 sd", "within 2 sd"],
        [
            [
                f"**{row['name']}**" if row["name"].startswith("reelstream") else row["name"],
                f"{row['rmse']:.4f}",
                f"{row['behind']:+.4f} ± {row['behind_standard_error']:.4f}"
                if row["behind_standard_error"]
                else "–",
                *(
                    digits(row.get(name))
                    for name in ("auc", "log_loss", "ece", "coverage_1sd", "coverage_2sd")
                ),
            ]
            for row in sorted(rows, key=lambda row: row["rmse"])
        ],
    )


def calibration(results: Result) -> Iterable[str]:
    """Reliability, then groups."""
    yield (
        "Of all films with a like probability of 0.7, seven in ten should be liked."
        " *Random* is the three random splits with times withheld, *in time* the newest third with"
        " users and films learning.\n"
    )
    yield (
        "![Predicted against observed, in ten bins of like probability](images/benchmark-reliability.svg)\n"
    )
    yield (
        "One standard deviation should cover about 0.68 of the ratings and two about 0.95, also"
        " for users and films with few ratings before the query.\n"
    )
    yield (
        "![Share of ratings within 1 and 2 sd, by ratings known of the"
        " user](images/benchmark-coverage.svg)\n"
    )
    for split, title in (("random", "Random splits"), ("time", "In time")):
        for by, whom in (("by_user", "user"), ("by_item", "film")):
            yield f"{title}, by ratings known of the {whom}:\n"
            yield table(
                [
                    f"known of the {whom}",
                    "ratings",
                    "RMSE",
                    "mean sd",
                    "within 1 sd",
                    "within 2 sd",
                ],
                [
                    [
                        row["known"],
                        f"{row['n']:,}",
                        *(digits(row[name]) for name in ("rmse", "sd")),
                        *coverages(row),
                    ]
                    for row in results[split][by]
                ],
            )


def coverages(row: Mapping[str, Any]) -> list[str]:
    """Within one and two standard deviations."""
    return [f"{row[name]:.3f}" for name in ("coverage_1sd", "coverage_2sd")]


def mood(results: Result) -> Iterable[str]:
    """By gap, then by user."""
    yield (
        f"By time, users and films learning: RMSE {results['rmse_with']:.4f} with times and"
        f" {results['rmse_without']:.4f} without. What times add beyond a rating's place in the"
        " order is the session effect (mood), which fades within minutes. So the gain should come"
        " from queries soon after another rating by the same user; *part* is each row's part of the"
        " whole gain in squared error.\n"
    )
    yield table(
        [
            "since the user's rating before",
            "ratings",
            "RMSE with times",
            "without",
            "part of the gain",
        ],
        [
            [
                row["gap"],
                f"{row['n']:,}",
                digits(row["rmse_with"]),
                digits(row["rmse_without"]),
                f"{row['part_of_gain']:.0%}",
            ]
            for row in results["by_gap"]
        ],
    )
    spread = results["by_user"]
    quantiles = ", ".join(
        f"{float(share):.0%}: {value:+.3f}" for share, value in spread["quantiles"].items()
    )
    yield (
        f"Of the {spread['users']} users with at least {spread['fewest_ratings']} test ratings,"
        f" {spread['better_off']:.0%} are better off. Quantiles of a user's gain in RMSE:"
        f" {quantiles}.\n"
    )


def choice(results: Result) -> Iterable[str]:
    """One paragraph."""
    fits, lists = results["fits"], results["lists"]
    yield (
        f"Made-up ratings, {fits['ratings']:,} by {fits['users']:,} users of {fits['items']:,} films, of"
        f" which {fits['columns']:,} have a column: fitted in {fits['cold_seconds']:.0f} s, and in"
        f" {fits['warm_seconds']:.0f} s after a tenth more; the model takes {fits['model_mb']:.0f} MB. Ten"
        f" of {lists['films']:,} films for a user of {lists['ratings']} ratings:"
        f" {lists['milliseconds']:.1f} ms.\n"
    )


def ranking(results: Result) -> Iterable[str]:
    """By time, then for users that the set has not seen."""
    found = results["time"]
    yield (
        f"{results['data']}, by time: at every later moment of a user, what is liked next among all"
        " films that he or she has not rated, users live in all methods; the first two thirds are"
        " learned. Standard errors are over users; the *lead* is ours, paired by user. Peers learn from"
        " what was liked, and are tuned on the newest quarter of the training part.\n"
    )
    yield _ranked(found["standings"])
    settings = "; ".join(f"{name}: {setting}" for name, setting in found["tuned"].items())
    starts = ", ".join(f"{name} {value:.4f}" for name, value in found["at_start"].items())
    yield f"Chosen settings: {settings}. NDCG@10 of the moments that begin a session: {starts}.\n"
    later = found["later"]
    yield (
        "Of the films that were recommended at the start of a session and rated later,"
        f" {later['ours']['like_share']:.3f} were liked (promised: {found['said']:.3f}), with"
        f" {later['ours']['stars']:.2f} stars on average; of EASE's {later['ease']['like_share']:.3f},"
        f" with {later['ease']['stars']:.2f} stars.\n"
    )
    yield from _chosen(found)
    yield (
        "Users that the set has not seen: a fifth of all users, 80 % of each one's ratings folded in,"
        f" the likes of the rest to be found; {results['users']['seeds']} seeds together, times"
        " withheld.\n"
    )
    yield _ranked(results["users"]["standings"])
    speed = results["speed"]
    yield (
        f"Ten of all films for a user of {speed['ratings']} ratings take {speed['milliseconds']:.2f}"
        " ms in process.\n"
    )


def _chosen(found: Mapping[str, Any]) -> Iterable[str]:
    """What is chosen, by whom, and how well known it is."""
    yield (
        "How often a film is taken next, by the probability that the choice model gave it: films rated"
        " at one time share one choice.\n"
    )
    yield table(
        ["chosen next with a probability below", "films", "predicted", "came"],
        [
            [
                f"{each['below']:g}",
                f"{each['n']:,}",
                f"{each['predicted']:.6f}",
                f"{each['came']:.6f}",
            ]
            for each in found["calibration"]
        ],
    )
    yield "![How well known recommended films are](images/benchmark-crowds.svg)\n"
    yield (
        "Share of the films that had at most so many ratings when the set was fitted: of the first ten"
        " of every list, and of what was liked next.\n"
    )
    yield from _examples(found["examples"])


def _examples(examples: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """What some users are shown."""
    yield (
        "The last lists of five users, the best five films of each method, and what they liked"
        " next.\n"
    )
    yield table(
        ["", *(f"{each['ratings']} ratings" for each in examples)],
        [
            [name, *("<br>".join(each[name]) for each in examples)]
            for name in ("loved", "ours", "EASE", "predicted stars", "liked next")
        ],
    )


def crowds_chart(results: Result) -> str:
    """How well known the films are that each method recommends, and those that were liked."""
    ticks = (1, 2, 4, 11, 31, 101, 301)
    names = ("0", "1", "3", "10", "30", "100", "300")
    return line_chart(
        Axis("ratings of the film, at most", list(zip(ticks, names, strict=True)), is_log=True),
        Axis(
            "share of the films", [(share, f"{share:.1f}") for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]
        ),
        [
            Line(name, list(zip(ticks, shares, strict=True)))
            for name, shares in results["time"]["crowds"].items()
        ],
    )


def _ranked(rows: Sequence[Mapping[str, Any]]) -> str:
    """The methods of one split, best first."""
    head = ["", "NDCG@10", "by user", "se", "NDCG@100", "recall@20", "MRR", "lead", "se"]
    fields = ("ndcg_10", "ndcg_10_by_user", "error", "ndcg_100", "recall_20", "mrr")
    return table(
        head,
        [
            [
                f"**{row['name']}**" if row["name"] == "ours" else row["name"],
                *(digits(row[field]) for field in fields),
                *(
                    ("–", "–")
                    if row["name"] == "ours"
                    else (digits(row["lead"]), digits(row["lead_error"]))
                ),
            ]
            for row in rows
        ],
    )


def segments(results: Result) -> Iterable[str]:
    """Chains, then re-fits."""
    yield (
        "Each set starts warm from the one before while the data grow by 1 %, from a tenth to all:"
        " the share of users that keep their segment number from one set to the next. *Agreement* is"
        " the adjusted Rand index of two cold fits of all users: 1 is the same segments, 0 what"
        " chance gives. *Redrawn* users are drawn with replacement.\n"
    )
    yield table(
        [
            "data",
            "users",
            "segments",
            *(
                f"{order}: {which}"
                for order in ("by time", "in random order")
                for which in ("worst of", "sets", "mean")
            ),
            "agreement, other seed",
            "agreement, redrawn users",
        ],
        [
            [
                row["data"],
                row["users"],
                row["segments"],
                *(
                    figure
                    for chain in row["chains"].values()
                    for figure in (f"{chain['worst']:.1%}", chain["sets"], f"{chain['mean']:.1%}")
                ),
                f"{row['agreement_other_seed']:.2f}",
                f"{row['agreement_redrawn_users']:.2f}",
            ]
            for row in results["data"]
        ],
    )


def training(results: Result) -> Iterable[str]:
    """Growth, whole fits, peers."""
    yield (
        "A sweep of the sampler at 16 numbers a row: the *base* model with times withheld, and with"
        " *all parts* on. A *whole fit* is of all three models with all parts on. *Unseen RMSE* is"
        " its error on ratings that no part of it has seen, by the first half of its draws and by"
        " the second; the two would differ if the chain had not converged. The peak of memory is"
        " that of the process, data included. Data sets above 100 k ratings are simulated.\n"
    )
    yield "![Seconds a sweep against ratings](images/benchmark-growth.svg)\n"
    yield table(
        [
            "ratings",
            "users",
            "base: s a sweep",
            "M ratings/s",
            "all parts: s a sweep",
            "M ratings/s",
        ],
        [
            [
                f"{row['ratings']:,}",
                f"{row['users']:,}",
                *(text for name in ("base", "all_parts") for text in pace(row[name])),
            ]
            for row in results["growth"]
        ],
    )
    yield table(
        ["ratings", "read and sort: s", "whole fit: s", "unseen RMSE", "peak GiB"],
        [
            [
                f"{row['ratings']:,}",
                f"{row['read_seconds']:.1f}",
                f"{row['fit_seconds']:.1f}",
                " / ".join(digits(rmse) for rmse in row["rmse"]),
                f"{row['peak_gib']:.2f}",
            ]
            for row in results["growth"]
        ],
    )
    yield f"Whole fits of {results['data']}, all three models, all parts on, without compilation:\n"
    yield table(
        ["seed", "all ratings, cold: s", "a further tenth, warm: s", "RMSE warm", "RMSE cold"],
        [
            [
                row["seed"],
                f"{row['full_seconds']:.2f}",
                f"{row['warm_seconds']:.2f}",
                digits(row["warm_rmse"]),
                digits(row["cold_rmse"]),
            ]
            for row in results["fits"]
        ],
    )
    yield (
        "Beside other libraries, on the train part of the random split of seed 42, times ignored,"
        " in the same run. Peers fit a rating model; the seconds of *all three* hold the like model"
        " and the segments too.\n"
    )
    yield table(
        ["", "seconds to fit", "all three", "RMSE"],
        [
            [
                row["name"],
                f"{row['fit_seconds']:.2f}",
                f"{row['whole_seconds']:.2f}" if "whole_seconds" in row else "",
                digits(row["rmse"]),
            ]
            for row in results["peers"]
        ],
    )
    if results["missing"]:
        yield (
            "Left out: "
            + "; ".join(f"{name} ({reason})" for name, reason in results["missing"].items())
            + ".\n"
        )


def pace(measured: Mapping[str, float]) -> list[str]:
    """Seconds a sweep, and million ratings a second."""
    return [f"{measured['sweep_seconds']:.3f}", f"{measured['ratings_a_second'] / 1e6:.1f}"]


def reliability_plot(results: Result) -> str:
    """Said against came."""
    lines = [
        Line(name, [(row["said"], row["came"]) for row in results[split]["reliability"]])
        for split, name in (("random", "random"), ("time", "in time"))
    ]
    return line_chart(
        Axis("like probability said", SHARES),
        Axis("share liked", SHARES),
        lines,
        [[(0, 0), (1, 1)]],
    )


def coverage_plot(results: Result) -> str:
    """Coverage by ratings known of the user."""
    names = list(
        dict.fromkeys(
            row["known"] for split in ("time", "random") for row in results[split]["by_user"]
        )
    )
    places = {name: place for place, name in enumerate(names)}
    lines = [
        Line(
            f"{title}, {sds} sd",
            [(places[row["known"]], row[f"coverage_{sds}sd"]) for row in results[split]["by_user"]],
        )
        for split, title in (("random", "random"), ("time", "in time"))
        for sds in (1, 2)
    ]
    shares = [(each / 10, f"{each / 10:.1f}") for each in range(4, 11)]
    ends = (0, len(names) - 1)
    return line_chart(
        Axis("ratings known of the user", [(place, name) for name, place in places.items()]),
        Axis("share of ratings inside", shares),
        lines,
        [[(end, share) for end in ends] for share in (0.683, 0.954)],
    )


def growth_plot(results: Result) -> str:
    """Seconds a sweep against ratings."""
    return growth_chart(
        [
            Line(title, [(row["ratings"], row[name]["sweep_seconds"]) for row in results["growth"]])
            for name, title in (("base", "base model"), ("all_parts", "all parts on"))
        ]
    )


def bars(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """What was promised, and whether it was kept."""
    if rows:
        yield "Bars:\n"
        yield table(
            ["", "measured", "bar", ""],
            [
                [
                    row["name"],
                    f"{row['value']:.4g}",
                    row["limit"],
                    "met" if row["passed"] else "**missed**",
                ]
                for row in rows
            ],
        )


def provenance(result: Result) -> str:
    """Where, when and with what."""
    machine, packages = result["machine"], result["versions"]
    used = ", ".join(f"{name} {number}" for name, number in packages.items())
    return (
        f"*{result['measured_at']}, commit {result['commit']}; {machine['cpu']}, {machine['cores']}"
        f" cores, {machine['memory_gib']} GiB, {machine['os']}, load average"
        f" {machine['load_before']:g} before the start; {used}.*\n"
    )


SECTIONS: dict[
    str, tuple[str, Callable[[Result], Iterable[str]], dict[str, Callable[[Result], str]]]
] = {
    "accuracy": ("Accuracy beside other libraries", accuracy, {}),
    "ranking": ("Recommendations beside other methods", ranking, {"crowds": crowds_chart}),
    "choice": ("The choice model of 32 million ratings", choice, {}),
    "calibration": (
        "Calibration",
        calibration,
        {"reliability": reliability_plot, "coverage": coverage_plot},
    ),
    "mood": ("Where the gain from times comes from", mood, {}),
    "segments": ("Segments that stay", segments, {}),
    "training": ("Training", training, {"growth": growth_plot}),
    "startup": ("From nothing to the third model set", startup, {}),
    "ingest": ("Ingest from Kafka", ingest, {}),
    "spark": ("On Spark", spark, {"spark-growth": spark_growth_plot}),
    "memory": ("What the trainer holds on Spark's driver", memory, {}),
}
"""Result -> heading, text, and plots by name, in the order of the page."""


if __name__ == "__main__":
    sys.exit(main())
