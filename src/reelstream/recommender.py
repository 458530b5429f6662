"""The models as a library: fit on ratings in memory, predict, learn new ratings at once.

>>> from reelstream import Recommender
>>> recommender = Recommender.fit({
...     "user": [1, 1, 1, 2, 2, 2, 3, 3, 3],
...     "item": [10, 20, 30, 10, 20, 40, 20, 30, 40],
...     "rating": [5.0, 2.0, 4.5, 4.0, 1.5, 3.0, 3.0, 3.5, 4.0],
... })
>>> recommender
Recommender(3 users, 4 items, 9 ratings)
>>> recommender.update({"user": [4, 4], "item": [10, 20], "rating": [4.5, 1.0]})
>>> recommender.predict(users=4, items=[30, 40]).columns
['user', 'item', 'mean', 'sd', 'low', 'high', 'like_probability', 'distribution']
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Unpack

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from reelstream.catalog import Catalog, Film
from reelstream.datasets.queries import Queries
from reelstream.datasets.sources import FilmSource, RatingSource, read_films, read_ratings
from reelstream.datasets.tables import ids_in
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import fit_models
from reelstream.errors import InputError, NothingToLearnError, UnknownItemError
from reelstream.models.choice.mixture import PARTS
from reelstream.models.model_set import ModelSet, Predictions, TrainedOn
from reelstream.models.recommendation import (
    LiveFilms,
    RecommendationOptions,
    RecommendationQuery,
    Recommendations,
    live_choice_of,
)
from reelstream.models.replay import posterior_of_events
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.ids import Id, Ids, NumberIds, TextIds
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.id_names import open_ids
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.recommender_folder import (
    RecommenderParts,
    read_recommender,
    write_recommender,
)
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.storage.work_folder import WorkFolder
from reelstream.storage.work_histories import read_histories


class Recommender:
    """Predicts ratings, with their uncertainty, for users and items.

    `Recommender.fit`, `Recommender.load` and `load_model_set` make one. It holds every user's
    ratings in memory: a user is solved from them at each call, so that a rating counts from the
    next prediction on. Threads may share a recommender as long as none of them changes it.
    """

    def __init__(self, parts: RecommenderParts) -> None:
        self._parts = parts

    @classmethod
    def fit(
        cls,
        ratings: RatingSource,
        films: FilmSource | None = None,
        scale: RatingScale | None = None,
        seed: int = 0,
    ) -> Recommender:
        """Fit all models on ratings.

        A table of ratings has the columns `user`, `item` and `rating`, or MovieLens's `userId`,
        `movieId` and `rating`, and may have a `timestamp`: seconds since 1970, UTC, or datetimes.
        Without times, a user's taste neither drifts nor depends on the session. Of several ratings
        of one item by one user the latest counts.

        Args:
            ratings: A polars or pandas DataFrame, a dict of arrays, or the path of a data set
                (a folder or a ratings file).
            films: What is known of the items: a table with `item` or `movieId` and, where it has
                them, `title`, `genres` and `year`; the path of a data set; or a `Catalog`. By
                default the films of the data set, or nothing.
            scale: The ratings that are allowed; by default the data set's, or the first of 1 to 5,
                0.5 to 5 in halves, and 1 to 10 that holds all ratings.
            seed: Of all randomness. The same ratings and seed give the same recommender.

        Returns:
            A recommender that has learned the ratings.

        Raises:
            InputError: The ratings, the films or the scale are wrong; the message says how.
            StorageError: The data set cannot be read.
        """
        read = read_ratings(ratings, scale)
        catalog = _with_items(read_films(films, read), read.events, read.ids)
        histories = Histories.of(read.events)
        # Without a gate all of the holdout fits the like model: there is no set to compare with.
        context = FitContext(
            catalog=catalog,
            scale=read.scale,
            parameters=FitParameters(seed=seed, use_times=read.has_times),
            has_gate=False,
        )
        try:
            models = fit_models(histories, context)
        except NothingToLearnError as error:
            raise InputError(f"{len(histories)} ratings are too few to fit on") from error
        learned = TrainedOn({0: len(read.events)}, {})
        model_set = ModelSet(
            number=0, models=models, catalog=catalog, scale=read.scale, trained_on=learned
        )
        return cls(_parts_of(model_set, histories, read.ids))

    def update(self, ratings: RatingSource) -> None:
        """Learn new ratings at once, without a refit.

        They join their users' histories, and items learn from them: new items too, and new users.
        A rating replaces an earlier one of the same user and item. A call takes a millisecond or
        two for each user it concerns, and some for the rest: pass what there is at once.

        Args:
            ratings: As for `fit`. Ratings without times count as made at the time of the newest
                rating so far.

        Raises:
            InputError: A column is missing, or a value is no id, time or rating of the scale.
            StorageError: The data set cannot be read.
        """
        parts = self._parts
        read = read_ratings(ratings, self.scale, parts.ids)
        newer = read.events
        if not read.has_times:
            newer = replace(newer, timestamp=np.full(len(newer), self._newest_time()))
        # The set has learned nothing of this partition, so it takes these for new.
        newer = replace(
            newer,
            partition=np.full(len(newer), parts.partition, np.int32),
            offset=newer.offset + parts.next_offset,
        )
        catalog = _with_items(parts.model_set.catalog, newer, parts.ids)
        model_set = replace(parts.model_set, catalog=catalog)
        choice = None if parts.choice is None else parts.choice.with_films(catalog)
        histories = parts.histories.merge(newer)
        # A rating that a later one has already replaced is in no history: no item learns it.
        of_users = histories.of_users(np.unique(newer.user_id))
        is_new = (of_users.partition == parts.partition) & (of_users.offset >= parts.next_offset)
        posterior_of_events(model_set, of_users, is_new, np.ones(len(of_users), bool), parts.items)
        if choice is not None:
            choice.update(of_users[is_new], of_users)
        self._parts = replace(
            parts,
            model_set=model_set,
            histories=histories,
            choice=choice,
            next_offset=parts.next_offset + len(newer),
        )

    def predict(
        self,
        users: ArrayLike,
        items: ArrayLike,
        at: ArrayLike | datetime | None = None,
    ) -> pl.DataFrame:
        """Predict what users would rate items.

        A user without ratings is answered for from the average taste, with more uncertainty.

        Args:
            users: Ids of n users, or one id that stands for all rows.
            items: Ids of n items, or one id.
            at: When they would rate: one time or n, in seconds since 1970, UTC, or as datetimes; by
                default the time of the newest rating. A time before a user's last rating counts as
                the time of that.

        Returns:
            n rows with `user`, `item`, `mean` (the expected rating), `sd` (standard deviation of
            the rating itself), `low` and `high` (the central 95 % interval; both and the mean are
            cut off at the ends of the scale), `like_probability` (of a rating at or above the
            scale's like threshold) and `distribution` (the probability of each rating in
            `scale.values()`).

        Raises:
            UnknownItemError: An item is neither among the films nor rated.
            InputError: An id or time is none, or the lengths differ.
        """
        ids = self._parts.ids
        queries = Queries.of(users, items, self._newest_time() if at is None else at, ids)
        with _named_items(ids):
            return _frame(queries, self._answers(queries), self.scale, ids)

    def recommend(
        self,
        user: Id,
        n: int = 10,
        *,
        at: int | datetime | None = None,
        **options: Unpack[RecommendationOptions],
    ) -> pl.DataFrame:
        """Recommend items that a user has neither rated nor dismissed.

        They are ranked by the probability that the user takes the item next, times that of a like.

        Args:
            user: The user's id. One without ratings gets what is liked at the time.
            n: How many, from 1 to 1000.
            at: When: in seconds since 1970, UTC, or a datetime; by default the time of the newest
                rating.
            **options: `strategy`: `best`; `rating`, by expected stars alone, which recommends what
                hardly anybody watches; `cautious`, by the lower bound of the stars among the likely
                chosen; `explore`, as `best` with some chance in it. `genres`: only films with one
                of these. `first_year`, `last_year`: only films from and up to these years.
                `exclude`: ids of items that are left out too. `variety`: from 0, the best items, to
                1: how much less an item counts for being like one above it. `seed`: of `explore`.

        Returns:
            At most n rows, best first, with `item`, `score` (what they are ranked by), `choice`
            (the probability that it is the next item of this user), `history`, `sitting`,
            `popularity` and `any` (the part of each reason in it), `mean`, `sd`, `low`, `high` and
            `like_probability` as in `predict`, and `because` (own items that brought it up, with
            their shares).

        Raises:
            InputError: An argument is wrong, or the recommender was saved by a version that could
                not recommend.
            RatingError: An id is none.
        """
        if "exclude" in options:
            excluded = np.atleast_1d(np.asarray(options["exclude"]))
            options["exclude"] = ids_in("exclude", excluded, self._parts.ids.item).tolist()
        query = RecommendationQuery(n=n, **options)
        parts = self._parts
        user_id = int(ids_in("user", np.atleast_1d(user), parts.ids.user)[0])
        dismissed = parts.histories.dismissed_by(user_id).tolist()
        query = replace(query, exclude=[*query.exclude, *dismissed])
        history = parts.histories.of_user(user_id)
        when = Queries.of(user_id, 0, self._newest_time() if at is None else at).at
        last = int(history.timestamp[-1]) if len(history) else 0
        found = self._films_now().recommend(
            parts.model_set.fold_in(history), history, query, max(int(when[0]), last)
        )
        return _recommended(found, self.scale, parts.ids.item)

    def similar(self, item: Id, n: int = 10) -> pl.DataFrame:
        """Find the items that the same users choose.

        Args:
            item: The item's id.
            n: How many at most.

        Returns:
            At most n rows, the most similar first, with `item` and `score`: the partial correlation
            of being rated, given all other items. None for an item with a single rating.

        Raises:
            UnknownItemError: The item is neither among the films nor rated.
            InputError: The recommender was saved by a version that could not recommend.
        """
        ids = self._parts.ids
        item_id = int(ids_in("item", np.atleast_1d(item), ids.item)[0])
        with _named_items(ids):
            found = self._films_now().similar(item_id, n)
        return pl.DataFrame({"item": _shown(ids.item, found.item_ids), "score": found.scores})

    def segment(self, users: ArrayLike) -> pl.DataFrame:
        """Tell which kind of user each is.

        Args:
            users: Ids of n users, or one id. A user without ratings is placed as the average one.

        Returns:
            n rows with `user`, `segment` (its number), `label` (what sets it apart, in words) and
            `genres` (those that its users rate more than others do).

        Raises:
            RatingError: An id is none.
        """
        parts = self._parts
        user_ids = ids_in("user", np.atleast_1d(users), parts.ids.user)
        found = [
            parts.model_set.segment_of(parts.histories.of_user(user)) for user in user_ids.tolist()
        ]
        return pl.DataFrame(
            {
                "user": _shown(parts.ids.user, user_ids),
                "segment": pl.Series([each.number for each in found], dtype=pl.Int64),
                "label": pl.Series([each.label for each in found], dtype=pl.String),
                "genres": pl.Series(
                    [[lift.genre for lift in each.genres] for each in found],
                    dtype=pl.List(pl.String),
                ),
            }
        )

    def forget(self, user: Id) -> None:
        """Remove everything that is kept of one user; nothing happens when there is nothing.

        What items have learned from the user's ratings stays until the next fit.

        Args:
            user: The user's id.

        Raises:
            RatingError: The id is none.
        """
        parts = self._parts
        user_id = int(ids_in("user", np.atleast_1d(user), parts.ids.user)[0])
        ratings, tombstones = parts.histories.ratings, parts.histories.tombstones
        # The chain's state has a row for each user; no answer needs it.
        model = parts.model_set.rating
        model = replace(model, state=model.state.without_user(user_id))
        if parts.choice is not None:
            parts.choice.forget(user_id)
        self._parts = replace(
            parts,
            model_set=replace(
                parts.model_set, models=parts.model_set.models.replaced(rating=model)
            ),
            histories=Histories.of_parts(
                ratings[ratings.user_id != user_id], tombstones[tombstones.user_id != user_id]
            ),
        )

    def save(self, folder: Path | str) -> None:
        """Write the recommender to disk, whole or not at all.

        Args:
            folder: A new folder, or one that holds a recommender, which is replaced.

        Raises:
            StorageError: The folder cannot be written, or holds something else.
        """
        write_recommender(self._parts, Path(folder))

    @classmethod
    def load(cls, folder: Path | str) -> Recommender:
        """Read a recommender that `save` wrote; it answers exactly as the one that was saved.

        Args:
            folder: Where it was saved.

        Returns:
            The recommender, its arrays mapped from the disk.

        Raises:
            StorageError: There is no recommender.
            DamagedError: A file is missing or has changed.
        """
        return cls(read_recommender(Path(folder)))

    @property
    def scale(self) -> RatingScale:
        """The ratings that are allowed."""
        return self._parts.model_set.scale

    @property
    def films(self) -> Catalog:
        """What is known of the items; `films.search("toy story", limit=5)` finds one by title."""
        return self._parts.model_set.catalog

    def __repr__(self) -> str:
        histories = self._parts.histories
        return (
            f"Recommender({len(histories.user_ids):,} users, {len(self.films):,} items,"
            f" {len(histories):,} ratings)"
        )

    def _answers(self, queries: Queries) -> Predictions:
        parts, n = self._parts, len(queries)
        answers = Predictions(
            mean=np.empty(n),
            sd=np.empty(n),
            like_probability=np.empty(n),
            distribution=np.empty((n, len(self.scale.values()))),
        )
        for user_id, at, rows in queries.by_user_and_time():
            history = parts.histories.of_user(user_id)
            # A filter cannot go back in time: such a query is answered as of the last rating.
            last = int(history.timestamp[-1]) if len(history) else 0
            state = parts.model_set.fold_in(history)
            predicted = parts.model_set.predict(
                state, queries.item_id[rows], max(at, last), parts.items
            )
            for field in fields(Predictions):
                getattr(answers, field.name)[rows] = getattr(predicted, field.name)
        return answers

    def _films_now(self) -> LiveFilms:
        parts = self._parts
        if parts.choice is None:
            raise InputError(
                "this recommender has no choice model: it was made by a version that could not"
                " recommend; fit another, or train another set"
            )
        return LiveFilms(model_set=parts.model_set, choice=parts.choice, items=parts.items)

    def _newest_time(self) -> int:
        times = self._parts.histories.ratings.timestamp
        return int(times.max()) if len(times) else 0


def load_model_set(work: Path | str, number: int | None = None) -> Recommender:
    """Open a model set of a running system, with all ratings that are in closed batches.

    Nothing in the work folder changes: what the recommender learns or forgets stays in memory,
    until it is saved elsewhere. Items are as the set was fitted.

    Args:
        work: The work folder (`--work`).
        number: Of the set; by default the one in service.

    Returns:
        A recommender that answers from the set.

    Raises:
        SettingError: The folder is no work folder, or has no set of that number.
        NoModelSetError: No set is in service yet.
        DamagedError: A file of the set is not what was published.
        StorageError: A file cannot be read.
    """
    folder = WorkFolder(Path(work))
    # For its SettingError when the folder is no work folder.
    binding = folder.binding()
    catalog, registry = folder.read_catalog(), ModelSetStore.in_folder(folder.models)
    if number is None:
        _, model_set = registry.load_current(catalog)
    else:
        model_set = registry.load(number, catalog)
    batches = BatchFolder.in_folder(folder.batches)
    ids = open_ids(binding.ids(), batches, catalog)
    histories = read_histories(batches, SnapshotStore.in_folder(folder.history))
    catalog = _with_items(catalog, histories.ratings, ids)
    return Recommender(_parts_of(replace(model_set, catalog=catalog), histories, ids))


def _parts_of(model_set: ModelSet, histories: Histories, ids: Ids) -> RecommenderParts:
    """A recommender that has learned nothing since its set was fitted."""
    partitions = {*model_set.trained_on.trained_end_offsets, *histories.ratings.partition.tolist()}
    return RecommenderParts(
        model_set=model_set,
        histories=histories,
        items=model_set.online_items(),
        choice=live_choice_of(model_set),
        # Its own partition: offsets of what `update` brings cannot meet those of the log.
        partition=max(partitions, default=-1) + 1,
        next_offset=0,
        ids=ids,
    )


def _with_items(catalog: Catalog, events: EventColumns, ids: Ids) -> Catalog:
    """The catalogue with every item of `events`, by its id alone where nothing else is known."""
    item_ids = np.unique(events.item_id).tolist()
    unknown = [item_id for item_id in item_ids if catalog.get(item_id) is None]
    of_items = ids.item
    if not unknown:
        return catalog
    if isinstance(of_items, TextIds):
        more = [Film(item_id, text_id=of_items.write(item_id)) for item_id in unknown]
    else:
        more = list(map(Film, unknown))
    return Catalog([*catalog, *more])


@contextmanager
def _named_items(ids: Ids) -> Iterator[None]:
    """An item that is not known is named as people know it."""
    try:
        yield
    except UnknownItemError as error:
        # Ours are the numbers; the caller's own are texts already.
        if isinstance(error.item_id, int):
            raise UnknownItemError(ids.item.show(error.item_id)) from error
        raise


def _shown(ids: NumberIds | TextIds, numbers: NDArray[np.int64]) -> pl.Series:
    """Ids (n,) as people know them."""
    if isinstance(ids, TextIds):
        return pl.Series(ids.texts_of(numbers), dtype=pl.String())
    return pl.Series(numbers)


def _recommended(
    found: Recommendations, scale: RatingScale, ids: NumberIds | TextIds
) -> pl.DataFrame:
    mean, low, high = found.predictions.intervals(scale)
    is_text = isinstance(ids, TextIds)
    reason = pl.Struct({"item": pl.String if is_text else pl.Int64, "share": pl.Float64})
    because = [
        [{"item": ids.show(each.item_id), "share": each.share} for each in reasons]
        for reasons in found.reasons
    ]
    return pl.DataFrame(
        {
            "item": _shown(ids, found.item_ids),
            "score": found.scores,
            "choice": found.choice,
            **{part: found.parts[:, column] for column, part in enumerate(PARTS)},
            "mean": mean,
            "sd": found.predictions.sd,
            "low": low,
            "high": high,
            "like_probability": found.predictions.like_probability,
            "because": pl.Series(because, dtype=pl.List(reason)),
        }
    )


def _frame(queries: Queries, answers: Predictions, scale: RatingScale, ids: Ids) -> pl.DataFrame:
    mean, low, high = answers.intervals(scale)
    return pl.DataFrame(
        {
            "user": _shown(ids.user, queries.user_id),
            "item": _shown(ids.item, queries.item_id),
            "mean": mean,
            "sd": answers.sd,
            "low": low,
            "high": high,
            "like_probability": answers.like_probability,
            "distribution": answers.distribution,
        }
    )
