"""A MovieLens pipeline as Spark tutorials write it:
`spark-submit spark_tutorial.py BATCHES MOVIES MODELS`.

For every batch file one set of models on all ratings so far: a random forest for like, ALS for
ratings, K-means for segments of users; each saved. With a file of ratings as a fourth argument
nothing is trained: the last set answers for them.
"""

import sys
from pathlib import Path

import pandas as pd
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import CountVectorizer, RegexTokenizer, StandardScaler, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  (as tutorials do)

spark = (
    SparkSession.builder.appName("movielens")
    .config("spark.sql.shuffle.partitions", "4")
    .getOrCreate()
)


def read(*files: str) -> DataFrame:
    """A CSV file as tutorials read it."""
    return spark.read.csv(list(files), header=True, inferSchema=True)


def with_features(
    ratings: DataFrame, movies: DataFrame, users: DataFrame, films: DataFrame
) -> DataFrame:
    """What the forest sees: ids, counts, means, genres."""
    joined = (
        ratings.join(movies, "movieId", "left")
        .join(users, "userId", "left")
        .join(films, "movieId", "left")
    )
    return joined.fillna(
        {"genres": "", "user_mean": 3.5, "user_count": 0, "film_mean": 3.5, "film_count": 0}
    )


def train(number: int, files: list[str], movies: DataFrame, models: Path) -> None:
    """One set, saved."""
    ratings = read(*files).cache()
    users = ratings.groupBy("userId").agg(
        F.avg("rating").alias("user_mean"), F.count("rating").alias("user_count")
    )
    films = ratings.groupBy("movieId").agg(
        F.avg("rating").alias("film_mean"), F.count("rating").alias("film_count")
    )
    table = with_features(ratings, movies, users, films).withColumn(
        "label", (F.col("rating") >= 4).cast("double")
    )
    numbers = ["userId", "movieId", "user_mean", "user_count", "film_mean", "film_count"]
    like = Pipeline(
        stages=[
            RegexTokenizer(inputCol="genres", outputCol="genre_list", pattern="\\|"),
            CountVectorizer(inputCol="genre_list", outputCol="genre_vector"),
            VectorAssembler(inputCols=[*numbers, "genre_vector"], outputCol="features"),
            RandomForestClassifier(numTrees=50, maxDepth=8, seed=42),
        ]
    ).fit(table)
    als = ALS(
        userCol="userId", itemCol="movieId", ratingCol="rating", coldStartStrategy="drop", seed=42
    ).fit(ratings)
    segments = Pipeline(
        stages=[
            VectorAssembler(inputCols=["user_mean", "user_count"], outputCol="profile"),
            StandardScaler(inputCol="profile", outputCol="features"),
            KMeans(k=5, seed=42),
        ]
    ).fit(users)
    folder = str(models / str(number))
    like.write().overwrite().save(f"{folder}/like")
    als.write().overwrite().save(f"{folder}/ratings")
    segments.write().overwrite().save(f"{folder}/segments")
    users.write.mode("overwrite").parquet(f"{folder}/users")
    films.write.mode("overwrite").parquet(f"{folder}/films")
    ratings.unpersist()


def answer(asked: DataFrame, movies: DataFrame, folder: Path) -> None:
    """Write answers.csv beside the models: the rating, empty where ALS has none, and the
    probability of like.
    """
    users, films = (spark.read.parquet(f"{folder}/{name}") for name in ("users", "films"))
    said = PipelineModel.load(f"{folder}/like").transform(
        with_features(asked, movies, users, films)
    )
    likes = said.select("row", vector_to_array(F.col("probability"))[1].alias("like"))
    ratings = (
        ALSModel.load(f"{folder}/ratings")
        .transform(asked)
        .select("row", F.col("prediction").alias("rating"))
    )
    table: pd.DataFrame = likes.join(ratings, "row", "left").toPandas()
    table.to_csv(folder / "answers.csv", index=False)


def main(batches: str, movies_file: str, models: str, asked: str | None = None) -> None:
    """Train, or answer."""
    movies = read(movies_file).select("movieId", "genres")
    files = sorted(
        (str(path) for path in Path(batches).glob("*.csv")),
        key=lambda name: int(name[:-4].split("_")[-1]),
    )
    if asked:
        answer(read(asked), movies, Path(models) / str(len(files)))
        return
    for number in range(1, len(files) + 1):
        train(number, files[:number], movies, Path(models))


main(*sys.argv[1:])
