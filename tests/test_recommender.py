"""The library: fit on what a notebook has, predict, learn at once, save and load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mean_engine import TrainingWorld, work_folder
from reelstream import RatingScale, Recommender, load_model_set
from reelstream.datasets import detect
from reelstream.errors import (
    DamagedError,
    InputError,
    NoModelSetError,
    RatingError,
    SettingError,
    StorageError,
    UnknownItemError,
)
from reelstream.ratings.columns import EventColumns
from reelstream.storage.work_folder import WorkFolder

FEW: dict[str, list[float]] = {
    "user": [1, 1, 1, 2, 2, 2, 3, 3, 3],
    "item": [10, 20, 30, 10, 20, 40, 20, 30, 40],
    "rating": [5, 2.5, 4, 4, 1.5, 3, 3, 3.5, 4],
}
STRANGER = 10_000

pytestmark = pytest.mark.xdist_group("recommender")  # it is fitted once


@pytest.fixture(scope="module")
def frame(small_dataset: Path) -> pl.DataFrame:
    return pl.read_csv(small_dataset / "ratings.csv")


@pytest.fixture(scope="module")
def saved(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recommender fitted on the small data set, on disk."""
    folder = tmp_path_factory.mktemp("recommender") / "small"
    Recommender.fit(small_dataset).save(folder)
    return folder


@pytest.fixture
def recommender(saved: Path) -> Recommender:
    """The same for each test, which may change it."""
    return Recommender.load(saved)


@pytest.fixture(scope="module")
def pairs(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of some ratings, in no order."""
    some = frame.sample(200, seed=3)
    return some["userId"].to_numpy(), some["movieId"].to_numpy()


@pytest.mark.slow
def test_every_source_gives_the_same_recommender(
    small_dataset: Path, frame: pl.DataFrame, pairs: tuple[np.ndarray, np.ndarray], saved: Path
) -> None:
    """A folder, a file, polars, pandas and a dict; with MovieLens's names and with ours."""
    expected = Recommender.load(saved).predict(*pairs)
    films = pl.read_csv(small_dataset / "movies.csv")
    ours = {"movieId": "item", "userId": "user"}
    datetimes = frame.with_columns(pl.from_epoch("timestamp", time_unit="s"))
    sources: list[tuple[Any, Any]] = [
        (str(small_dataset / "ratings.csv"), None),
        (datetimes, small_dataset),
        (frame.rename(ours), films),
        (pd.DataFrame(frame.to_dict()), pd.DataFrame(films.to_dict())),
        (frame.to_dict(as_series=False), detect(small_dataset).read_catalog().catalog),
    ]
    for ratings, about_films in sources:
        assert Recommender.fit(ratings, about_films).predict(*pairs).equals(expected)


def test_a_prediction_says_how_sure_it_is(
    recommender: Recommender, pairs: tuple[np.ndarray, np.ndarray]
) -> None:
    """One row for each query, in its order; interval and distribution agree with mean and sd."""
    predicted = recommender.predict(*pairs)
    assert predicted["user"].to_list() == pairs[0].tolist()
    assert predicted["item"].to_list() == pairs[1].tolist()
    mean, low, high = (predicted[name].to_numpy() for name in ("mean", "low", "high"))
    assert (low < mean).all()
    assert (mean <= high).all()
    assert low.min() >= 0.5
    assert high.max() <= 5.0
    inside = (low > 0.5) & (high < 5.0)
    assert inside.any()
    assert np.allclose(high[inside] - low[inside], 2 * 1.96 * predicted["sd"].to_numpy()[inside])
    distribution = predicted["distribution"].to_numpy()
    assert distribution.shape == (200, 10)
    assert np.allclose(distribution.sum(1), 1.0)
    expected = distribution @ recommender.scale.values()
    assert np.abs(expected - mean)[inside].max() < 0.1
    assert predicted["like_probability"].is_between(0, 1).all()


def test_one_value_stands_for_all_rows(recommender: Recommender) -> None:
    """One user and many items, one item and many users, a single pair: the same answers."""
    items = recommender.films.search("", limit=3)
    ids = [film.item_id for film in items]
    by_user = recommender.predict(1, ids)
    assert by_user.equals(recommender.predict([1, 1, 1], ids))
    assert_frame_equal(by_user[1], recommender.predict(1, ids[1]))
    assert_frame_equal(by_user[:1], recommender.predict([1, 2], ids[0])[:1])
    assert len(recommender.predict([], [])) == 0


def test_time_matters_only_where_ratings_have_times(
    recommender: Recommender, frame: pl.DataFrame
) -> None:
    """By default the query is made at the newest rating; a datetime is UTC where it says nothing
    else."""
    user, item, _, newest = frame.sort("timestamp").row(-1)
    asked = recommender.predict(user, item)
    assert asked.equals(recommender.predict(user, item, at=newest))
    a_year = newest + 365 * 86_400
    later = recommender.predict(user, item, at=a_year)
    assert later["sd"][0] > asked["sd"][0]
    in_utc = datetime.fromtimestamp(a_year, UTC)
    for same in (in_utc, in_utc.replace(tzinfo=None), np.datetime64(in_utc.replace(tzinfo=None))):
        assert later.equals(recommender.predict(user, item, at=same))
    both = recommender.predict(user, item, at=[newest, a_year])
    assert both.equals(pl.concat([asked, later]))
    timeless = Recommender.fit(FEW)
    assert timeless.predict(1, 40).equals(timeless.predict(1, 40, at=a_year))


def test_ratings_count_at_once(recommender: Recommender, frame: pl.DataFrame) -> None:
    """For their user, and for other users of the same item; nobody has to fit again."""
    item, other = frame["movieId"].value_counts(sort=True)["movieId"][:2].to_list()
    unknown = recommender.predict(STRANGER, [item, other])
    recommender.update({"user": [STRANGER], "item": [other], "rating": [0.5]})
    known = recommender.predict(STRANGER, [item, other])
    assert (known["mean"] < unknown["mean"]).all()
    somebody = recommender.predict(STRANGER + 1, item)["mean"][0]
    raters = range(STRANGER + 2, STRANGER + 102)
    recommender.update({"user": list(raters), "item": [item] * 100, "rating": [0.5] * 100})
    assert recommender.predict(STRANGER + 1, item)["mean"][0] < somebody - 0.2


def test_a_new_item_learns_from_its_first_rating_on(recommender: Recommender) -> None:
    """An item that was unknown can be predicted once it is rated."""
    item = 987_654
    with pytest.raises(UnknownItemError, match="987654"):
        recommender.predict(1, item)
    recommender.update({"user": [1], "item": [item], "rating": [5.0]})
    after_one = recommender.predict(2, item)["mean"][0]
    raters = list(range(STRANGER, STRANGER + 60))
    recommender.update({"user": raters, "item": [item] * 60, "rating": [5.0] * 60})
    assert recommender.predict(2, item)["mean"][0] > after_one


def test_a_later_rating_replaces_an_earlier_one(recommender: Recommender) -> None:
    """Within a call the last row counts, over calls the later time."""
    recommender.update({"user": [STRANGER] * 2, "item": [1, 1], "rating": [0.5, 5.0]})
    told = repr(recommender)
    liked = recommender.predict(STRANGER, 2)
    late = {"user": [STRANGER], "item": [1], "rating": [0.5], "timestamp": [1]}
    recommender.update(late)
    assert recommender.predict(STRANGER, 2).equals(liked)
    recommender.update({"user": [STRANGER], "item": [1], "rating": [0.5]})
    assert not recommender.predict(STRANGER, 2).equals(liked)
    assert repr(recommender) == told


def test_a_forgotten_user_is_a_stranger(
    recommender: Recommender, saved: Path, tmp_path: Path
) -> None:
    """Nothing of the user is in what is saved; others stay as they are; the user may come back."""
    stranger, others = recommender.predict(STRANGER, 1), recommender.predict([2, 3], 1)
    recommender.forget(1)
    recommender.forget(1)
    columns = pl.exclude("user")
    assert recommender.predict(1, 1).select(columns).equals(stranger.select(columns))
    assert recommender.predict([2, 3], 1).equals(others)
    recommender.save(tmp_path / "without")
    for holds, folder in ((True, saved), (False, tmp_path / "without")):
        for name in ("histories/user_ids.npy", "regression/chain_user_ids.npy"):
            assert (1 in np.load(folder / name)) is holds
    recommender.update({"user": [1], "item": [1], "rating": [5.0], "timestamp": [7]})
    assert recommender.predict(1, 2)["mean"][0] > recommender.predict(STRANGER, 2)["mean"][0]


def test_each_user_has_a_segment(recommender: Recommender) -> None:
    """With its words; also who has rated nothing."""
    segments = recommender.segment([1, 2, 1, STRANGER])
    assert segments["user"].to_list() == [1, 2, 1, STRANGER]
    assert segments["segment"][0] == segments["segment"][2]
    assert all(segments["label"])
    assert segments.equals(pl.concat(recommender.segment(user) for user in (1, 2, 1, STRANGER)))
    assert len(recommender.segment([])) == 0


@pytest.mark.slow
def test_what_is_loaded_answers_as_what_was_saved(
    recommender: Recommender, pairs: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """To the last bit, after updates and before further ones; and a saved one may be replaced."""
    new = {"user": [STRANGER, 1], "item": [555_555, 1], "rating": [4.0, 0.5]}
    recommender.update(new)
    recommender.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    more = {"user": [2, STRANGER], "item": [555_555, 2], "rating": [1.0, 0.5]}
    for _ in range(2):
        assert repr(loaded) == repr(recommender)
        assert loaded.predict(*pairs).equals(recommender.predict(*pairs))
        assert loaded.predict(1, 555_555).equals(recommender.predict(1, 555_555))
        assert loaded.segment(pairs[0]).equals(recommender.segment(pairs[0]))
        for each in (loaded, recommender):
            each.update(more)
    loaded.save(tmp_path / "saved")
    again = Recommender.load(tmp_path / "saved")
    assert again.predict(*pairs).equals(loaded.predict(*pairs))
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_damaged_recommender_is_not_loaded(recommender: Recommender, tmp_path: Path) -> None:
    """A changed or missing file is named; a folder of something else is left alone."""
    with pytest.raises(StorageError, match="holds no recommender"):
        Recommender.load(tmp_path)
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(StorageError, match="something else"):
        recommender.save(tmp_path)
    folder = tmp_path / "saved"
    recommender.save(folder)
    likes = folder / "classification" / "item_likes.npy"
    likes.write_bytes(likes.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedError, match=r"item_likes\.npy has changed"):
        Recommender.load(folder)
    likes.unlink()
    with pytest.raises(DamagedError, match=r"item_likes\.npy is missing"):
        Recommender.load(folder)


@pytest.mark.slow
def test_the_scale_is_found_or_given(small_dataset: Path) -> None:
    """From the values, or the data set's; ratings beside it are refused, also later."""
    assert Recommender.fit(FEW).scale == RatingScale()
    ten = {**FEW, "rating": [2 * rating for rating in FEW["rating"]]}
    assert Recommender.fit(ten).scale.highest == 10
    whole = Recommender.fit({**FEW, "rating": [5, 2, 4, 4, 1, 3, 3, 3, 4]})
    assert (whole.scale.lowest, whole.scale.step) == (1, 1)
    with pytest.raises(InputError, match=r"rating 4\.5 in row 0 is not on the scale 1 to 5"):
        whole.update({"user": [1], "item": [10], "rating": [4.5]})
    percent = {**FEW, "rating": [20 * rating for rating in FEW["rating"]]}
    with pytest.raises(InputError, match="pass scale="):
        Recommender.fit(percent)
    given = RatingScale(0, 100, 10, 70)
    fitted = Recommender.fit(percent, scale=given)
    assert fitted.scale == given
    assert fitted.predict(1, 40)["distribution"].to_numpy().shape == (1, 11)
    with pytest.raises(InputError, match="like threshold"):
        Recommender.fit(FEW, scale=RatingScale(1, 5, 1, 6))


WRONG: dict[str, tuple[Mapping[str, Any], str]] = {
    "nothing": ({}, "no column for user and item and rating.*found none"),
    "a missing column": (
        {"user": [1], "movie": [1], "praise": [3]},
        "no column for rating.*'praise'",
    ),
    "no rows": ({"user": [], "item": [], "rating": []}, "there are no ratings"),
    "lengths": ({"user": [1], "item": [1, 2], "rating": [3, 4]}, "user 1, item 2, rating 2"),
    "NaN": ({"user": [1, 2], "item": [1, 2], "rating": [3, np.nan]}, "rating in row 1 is missing"),
    "null": ({"user": pl.Series([1, None]), "item": [1, 2], "rating": [3, 4]}, "user in row 1"),
    "a negative id": ({"user": [-1], "item": [1], "rating": [3]}, "user -1 in row 0"),
    "half an id": ({"user": [1.5], "item": [1], "rating": [3]}, r"user 1\.5 in row 0"),
    "a huge id": ({"user": [1], "item": [2**63], "rating": [3]}, "item 9223372036854775808"),
    "empty names": (
        {"user": ["ann", " "], "item": [1, 2], "rating": [3, 4]},
        "row 1: userId is empty",
    ),
    "two dimensions": ({"user": [[1]], "item": [1], "rating": [3]}, "user has 2 dimensions"),
    "milliseconds": ({**FEW, "timestamp": [1_700_000_000_000] * 9}, "is in the future"),
    "before 1970": ({**FEW, "timestamp": [-1] * 9}, "timestamp -1 in row 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_ratings_are_named(case: str) -> None:
    """What is wrong, and in which row."""
    ratings, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        Recommender.fit(ratings)


def test_wrong_queries_and_films_are_named(recommender: Recommender, tmp_path: Path) -> None:
    """The same for what is asked, and for films."""
    with pytest.raises(InputError, match="lengths 2, 3, 1"):
        recommender.predict([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="user -1"):
        recommender.predict(-1, 1)
    with pytest.raises(InputError, match="at -1"):
        recommender.predict(1, 1, at=-1)
    with pytest.raises(InputError, match="no column 'movieId' or 'item'"):
        Recommender.fit(FEW, films={"title": ["Toy Story"]})
    with pytest.raises(InputError, match="films differ in length"):
        Recommender.fit(FEW, films={"item": [1, 2], "title": ["Toy Story"]})
    with pytest.raises(InputError, match="does not exist"):
        Recommender.fit(tmp_path / "nowhere")
    with pytest.raises(InputError, match="too few"):
        Recommender.fit(held_out_only())


def held_out_only() -> dict[str, list[float]]:
    """Ratings of one pair, of which the last counts: one that no fit learns from."""
    from reelstream.features.holdout import in_holdout  # noqa: PLC0415

    zeros = np.zeros(1000)
    n = int(in_holdout(EventColumns.of(zeros, zeros, zeros, zeros)).argmax()) + 1
    return {"user": [1] * n, "item": [0] * n, "rating": [3.5] * n}


def test_films_bring_titles_and_genres() -> None:
    """With the year in the title or in a column of its own; genres as text or lists."""
    films = {
        "item": [10, 20, 50],
        "title": ["Toy Story (1995)", "Heat", None],
        "genres": ["Animation|Comedy", ["Crime"], "(no genres listed)"],
        "year": [None, 1995, None],
    }
    known = Recommender.fit(FEW, films).films
    film = known.search("toy story", limit=1)[0]
    assert (film.item_id, film.year, film.genres) == (10, 1995, ("Animation", "Comedy"))
    heat, unrated, untitled = known.get(20), known.get(50), known.get(40)
    assert heat is not None
    assert (heat.year, heat.genres) == (1995, ("Crime",))
    assert unrated is not None
    assert unrated.genres == ()
    assert untitled is not None
    assert untitled.title == ""


@pytest.mark.slow
def test_the_host_s_threads_change_no_result(
    small_dataset: Path, pairs: tuple[np.ndarray, np.ndarray], saved: Path
) -> None:
    """A host program may give BLAS as many threads as it likes."""
    program = """
import json, sys
from reelstream import Recommender
users, items = json.loads(sys.argv[2])
print(json.dumps(Recommender.fit(sys.argv[1]).predict(users, items)["mean"].to_list()))
"""
    query = json.dumps([column.tolist() for column in pairs])
    done = subprocess.run(
        [sys.executable, "-c", program, str(small_dataset), query],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "4"},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == Recommender.load(saved).predict(*pairs)["mean"].to_list()


@pytest.fixture
def work(tmp_path: Path) -> TrainingWorld:
    return work_folder(tmp_path / "work")


def test_a_set_of_a_running_system_can_be_queried(work: TrainingWorld) -> None:
    """The set in service or another, with every rating of the closed batches; nothing changes
    there."""
    before = {path: path.stat().st_mtime_ns for path in work.root.rglob("*")}
    opened = load_model_set(work.root)
    ratings = sum(len(work.batches.read(manifest)) for manifest in work.batches.manifests())
    assert repr(opened).startswith("Recommender(300 users, 300 items, ")
    assert 5_000 < int(repr(opened).split(", ")[2].split()[0].replace(",", "")) <= ratings
    assert not opened.predict(1, [1, 2]).equals(load_model_set(work.root, 1).predict(1, [1, 2]))
    opened.update({"user": [1], "item": [1], "rating": [5.0]})
    opened.forget(2)
    assert {path: path.stat().st_mtime_ns for path in work.root.rglob("*")} == before


def test_an_excluded_batch_does_not_count(work: TrainingWorld) -> None:
    """As in the system's own answers."""
    with_all = load_model_set(work.root, 1).predict(range(300), 7)
    work.batches.exclude(2)
    without = load_model_set(work.root, 1).predict(range(300), 7)
    assert not without.equals(with_all)
    work.batches.include(2)
    assert load_model_set(work.root, 1).predict(range(300), 7).equals(with_all)


def test_a_folder_without_the_set_is_refused(work: TrainingWorld, tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(SettingError, match="not a work folder"):
        load_model_set(tmp_path / "nowhere")
    with pytest.raises(SettingError, match="no model set 9"):
        load_model_set(work.root, 9)
    WorkFolder(tmp_path / "empty").bind()
    with pytest.raises(NoModelSetError):
        load_model_set(tmp_path / "empty")


def test_recommends_what_is_not_rated_and_says_why(recommender: Recommender) -> None:
    """As a DataFrame, best first; the filters hold."""
    found = recommender.recommend(1, n=5)
    assert found["score"].is_sorted(descending=True)
    assert {"item", "choice", "history", "popularity", "mean", "because"} <= set(found.columns)
    excluded = recommender.recommend(1, n=5, exclude=found["item"].to_list())
    assert not set(excluded["item"]) & set(found["item"])
    with pytest.raises(InputError, match="variety"):
        recommender.recommend(1, variety=2)
    similar = recommender.similar(int(found["item"][0]), 3)
    assert similar["score"].is_sorted(descending=True)
    with pytest.raises(UnknownItemError):
        recommender.similar(10**12)


def test_recommendations_follow_an_update_and_survive_the_disk(
    recommender: Recommender, tmp_path: Path
) -> None:
    """A new item that many like is popular at once."""
    new = 10**6
    users = np.arange(STRANGER, STRANGER + 60)
    recommender.update({"user": users, "item": [new] * 60, "rating": [5.0] * 60})
    found = recommender.recommend(1, n=10)
    assert new in found["item"]
    recommender.save(tmp_path / "saved")
    assert_frame_equal(Recommender.load(tmp_path / "saved").recommend(1, n=10), found)


def test_ids_may_be_texts(tmp_path: Path) -> None:
    """Given and answered as they are written, by a saved recommender too."""
    user, item = {1: "007", 2: "Jörg", 3: "3F25"}, {10: "B00X", 20: "0020", 30: "30", 40: "x y"}
    texts = pl.DataFrame(
        {
            "user": [user[each] for each in FEW["user"]],
            "item": [item[each] for each in FEW["item"]],
            "rating": [float(rating) for rating in FEW["rating"]],
        }
    )
    recommender = Recommender.fit(texts, {"item": ["B00X"], "title": ["A book"]})
    recommender.update({"user": ["new"], "item": ["0020"], "rating": [5]})
    recommender.save(tmp_path / "saved")
    for each in (recommender, Recommender.load(tmp_path / "saved")):
        predicted = each.predict("007", ["x y", "0020"])
        assert predicted["user"].to_list() == ["007", "007"]
        assert predicted["item"].to_list() == ["x y", "0020"]
        recommended = each.recommend("new", 3)
        assert set(recommended["item"]) == {"B00X", "30", "x y"}
        assert each.segment(["Jörg", "nobody"])["user"].to_list() == ["Jörg", "nobody"]
        assert [film.id for film in each.films.search("book", 5)] == ["B00X"]
        with pytest.raises(UnknownItemError, match="film no such thing is neither"):
            each.predict("007", "no such thing")
        assert len(each.similar("0020", 2).filter(pl.col("item") == "0020")) == 0


def test_numbers_with_leading_zeros_are_texts() -> None:
    """They would lose their zeros; a recommender of numbers refuses them."""
    numbers = Recommender.fit(FEW)
    with pytest.raises(RatingError, match="user '001' has leading zeros"):
        numbers.predict("001", 10)
