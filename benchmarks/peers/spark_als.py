"""Spark MLlib's ALS, as tutorials use it and as well as it can be tuned."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession

from peers.contest import Answer, Peer, Question
from reelstream.evaluation.baselines import BiasBaseline, GlobalMean
from reelstream.ratings.columns import EventColumns

if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    raise ImportError("Spark needs Java, and there is none")

RANKS = (5, 10, 20, 50)
REGULARIZATIONS = (0.05, 0.1, 0.15, 0.2)
ITERATIONS = 20
VALIDATION_SHARE = 0.1
SEED = 0


class _Tutorial:
    """Defaults; what `coldStartStrategy="drop"` leaves out gets the global mean, so that every
    rating is answered.
    """

    def answer(self, question: Question) -> Answer:
        predicted, seconds = _als(question.known, question.asked)
        return Answer(
            _filled(predicted, GlobalMean.of(question.known, question.scale), question.asked),
            seconds,
        )


class _Tuned:
    """The best setting on a part of what is known first; biases where ALS has no answer."""

    def __init__(self) -> None:
        self._setting: dict[str, Any] | None = None

    def answer(self, question: Question) -> Answer:
        if self._setting is None:
            self._setting = _best_setting(question)
        predicted, seconds = _als(question.known, question.asked, **self._setting)
        return Answer(
            _filled(predicted, BiasBaseline.of(question.known, question.scale), question.asked),
            seconds,
        )


def tutorial() -> Peer:
    """As tutorials use it."""
    return _Tutorial()


def tuned() -> Peer:
    """Tuned over rank and regularization, with as many iterations as help and blocks as there are
    cores.
    """
    return _Tuned()


def _best_setting(question: Question) -> dict[str, Any]:
    order = np.random.default_rng(SEED).permutation(len(question.known))
    n_judges = int(VALIDATION_SHARE * len(order))
    judges, learned = question.known[order[:n_judges]], question.known[order[n_judges:]]
    fallback = BiasBaseline.of(learned, question.scale)
    scored = []
    for rank, regularization in itertools.product(RANKS, REGULARIZATIONS):
        setting = {
            "rank": rank,
            "regParam": regularization,
            "maxIter": ITERATIONS,
            "numUserBlocks": os.cpu_count(),
            "numItemBlocks": os.cpu_count(),
        }
        errors = _filled(_als(learned, judges, **setting)[0], fallback, judges) - judges.rating
        scored.append((float((errors**2).mean()), setting))
    return min(scored, key=lambda each: each[0])[1]


def _als(
    known: EventColumns, asked: EventColumns, **setting: Any
) -> tuple[NDArray[np.float64], float]:
    """Predictions (n,), NaN where ALS drops a question, and the seconds that the fit took."""
    frame = _frame(known).cache()
    frame.count()
    als = ALS(userCol="user", itemCol="item", coldStartStrategy="drop", seed=SEED, **setting)
    started = time.perf_counter()
    model = als.fit(frame)
    seconds = time.perf_counter() - started
    answered: Any = model.transform(_frame(asked)).select("row", "prediction").toPandas()
    frame.unpersist()
    predicted = np.full(len(asked), np.nan)
    predicted[answered["row"]] = answered["prediction"]
    return predicted, seconds


def _filled(
    predicted: NDArray[np.float64], fallback: GlobalMean | BiasBaseline, asked: EventColumns
) -> NDArray[np.float64]:
    return np.where(np.isnan(predicted), fallback.predict(asked.user_id, asked.item_id), predicted)


def _frame(ratings: EventColumns) -> DataFrame:
    table = pd.DataFrame(
        {
            "row": np.arange(len(ratings)),
            "user": ratings.user_id.astype(np.int32),
            "item": ratings.item_id.astype(np.int32),
            "rating": ratings.rating,
        }
    )
    return session().createDataFrame(table).repartition(os.cpu_count() or 1)


@cache
def session() -> SparkSession:
    """One session for all peers of a process, on all cores."""
    made: SparkSession = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", "4g")
        # 20 iterations are a deep lineage to deserialize
        .config("spark.driver.extraJavaOptions", "-Xss16m")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", os.cpu_count() or 1)
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("ERROR")
    few = made.createDataFrame(
        [(user, item, 3.0) for user in range(9) for item in range(9)], ["user", "item", "rating"]
    )
    # the JVM compiles as it goes: no fit that is timed is its first
    ALS(userCol="user", itemCol="item").fit(few)
    return made
