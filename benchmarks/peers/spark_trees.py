"""Spark MLlib's classifiers for like, as tutorials use them, on better features than tutorials
have.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.classification import GBTClassifier, RandomForestClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as sql

from measuring import Usage, watched
from peers.contest import Question
from peers.rating_features import features_of
from peers.spark_als import SEED, session

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "MLlib RandomForest": lambda: RandomForestClassifier(numTrees=50, maxDepth=8, seed=SEED),
    "MLlib GBT": lambda: GBTClassifier(maxIter=30, maxDepth=5, seed=SEED),
}
WARM_UP = 1000
"""Ratings of the fit that is not timed: the JVM compiles as it goes."""


def like_probabilities(name: str, question: Question) -> tuple[NDArray[np.float64], Usage]:
    """What the classifier says of each question (n,), and what the fit used."""
    table = np.column_stack(
        [
            np.concatenate([question.known.user_id, question.asked.user_id]),
            np.concatenate([question.known.item_id, question.asked.item_id]),
            features_of(question, has_times=False),
        ]
    )
    n = len(question.known)
    likes = (question.known.rating >= question.scale.like_threshold).astype(np.float64)
    session()  # nothing of Spark's machine learning can be made before
    CLASSIFIERS[name]().fit(_frame(table[:WARM_UP], likes[:WARM_UP]))
    known = _frame(table[:n], likes).cache()
    known.count()
    with watched() as usage:
        model = CLASSIFIERS[name]().fit(known)
    answered: Any = model.transform(_frame(table[n:], np.arange(len(table) - n)))
    answers = answered.select(
        "label", vector_to_array(sql.col("probability"))[1].alias("like")
    ).toPandas()
    probabilities = np.empty(len(table) - n)
    probabilities[answers["label"].astype(int)] = answers["like"]
    return probabilities, usage


def _frame(table: NDArray[np.float64], label: NDArray[np.number]) -> DataFrame:
    """Features and a label; what is not known (a film's year) is -1."""
    names = [f"f{number}" for number in range(table.shape[1])]
    columns = np.column_stack([np.nan_to_num(table, nan=-1.0), label])
    frame = session().createDataFrame(columns, [*names, "label"]).repartition(os.cpu_count() or 1)
    return (
        VectorAssembler(inputCols=names, outputCol="features")
        .transform(frame)
        .select("features", "label")
    )
