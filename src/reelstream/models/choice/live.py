"""The films of a choice model while it serves: columns and what is popular follow the stream."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Catalog
from reelstream.errors import InputError
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.choice.live_columns import LiveColumns
from reelstream.models.choice.mixture import PARTS, raised
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.choice.new_films import BorrowedColumns
from reelstream.ratings.columns import EventColumns

# What a reason must say of all films together, so that its shares are within single precision.
MIN_TOTAL = 1e-30
# Exponents of two beyond which popularity is brought back to the present, far from overflow.
MAX_EXPONENT = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceScores:
    """How likely each of N films is to be chosen next by one user."""

    choice: NDArray[np.float32]
    """(N,): a probability; -1 for a film that the user has rated."""
    parts: NDArray[np.float32]
    """(len(PARTS) - 1, N): what each reason but the last adds to it."""
    any: float
    """What the last reason adds, the same for all films."""
    seen: NDArray[np.int64]
    """Rows of the films that the user has rated, oldest first."""

    def parts_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n, len(PARTS)): the part of each reason in the choice of some films."""
        parts = np.vstack([self.parts[:, rows], np.full(len(rows), self.any)]).T
        return np.asarray(parts / parts.sum(1, keepdims=True), np.float64)


class LiveChoice:
    """A choice model with all films of a catalogue, updated with the ratings since its fit.

    Rows are the model's items, then all other films. Not safe to change while another thread reads.
    """

    def __init__(self, model: ChoiceModel, catalog: Catalog) -> None:
        self.model, self._catalog = model, catalog
        others = [film.item_id for film in catalog]
        unrated = np.setdiff1d(np.array(others, np.int64), model.items.ids)
        self.item_ids: NDArray[np.int64] = np.concatenate([model.items.ids, unrated])
        """(N,): of the film in each row."""
        self._mass = np.zeros(len(self.item_ids))
        self._mass[: len(model.items)] = model.popularity
        self._at = model.popular_at
        self._live = LiveColumns(model.columns, len(self.item_ids))

    def __len__(self) -> int:
        return len(self.item_ids)

    def rows(self, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each item, -1 for one that is neither rated nor in the catalogue."""
        vocabulary, order = self._sorted
        found = vocabulary.rows(item_ids)
        return np.where(found >= 0, order[found], -1)

    def update(self, ratings: EventColumns, known: EventColumns) -> None:
        """Learn further ratings, in any order.

        `known`: all ratings of their users, sorted by user and time, with these among them or not.
        """
        self.count(ratings)
        ratings, known = ratings.by_user(), known[~known.is_among(ratings)]
        rows, known_rows = self.rows(ratings.item_id), self.rows(known.item_id)
        for user_id in np.unique(ratings.user_id).tolist():
            span, before = (
                slice(*np.searchsorted(each.user_id, [user_id, user_id + 1]))
                for each in (ratings, known)
            )
            new, own = rows[span], known_rows[before]
            self._live.update(user_id, own[own >= 0], new[new >= 0])

    def count(self, ratings: EventColumns) -> None:
        """Count the likes among further ratings, in any order: columns stay as they are."""
        liked = ratings[ratings.rating >= self.model.threshold]
        rows = self.rows(liked.item_id)
        liked, rows = liked[rows >= 0], rows[rows >= 0]
        half_life = self.model.mixture.half_life
        if half_life is None:
            np.add.at(self._mass, rows, 1.0)
        elif len(rows):
            newest = int(liked.timestamp.max())
            # Only shares matter: a like counts the more the later it comes, instead of all others
            # fading.
            if newest - self._at > MAX_EXPONENT * half_life:
                self._mass *= np.exp2(-(newest - self._at) / half_life)
                self._at = newest
            np.add.at(self._mass, rows, np.exp2((liked.timestamp - self._at) / half_life))

    def forget(self, user_id: int) -> None:
        """Keep nothing of a user's ratings but their share in what is popular."""
        self._live.forget(user_id)

    def score(self, history: EventColumns, at: int) -> ChoiceScores:
        """What a user with this history, oldest first, chooses at the time `at`."""
        mixture, n_fitted = self.model.mixture, len(self.model.items)
        rows = self.rows(history.item_id)
        seen = rows[rows >= 0]
        is_fitted = (rows >= 0) & (rows < n_fitted)
        # Of the whole history each rating counts alike, of the session the latest ones.
        factors = np.ones((2, len(rows)), np.float32)
        factors[1] = mixture.session_factors(history.timestamp)
        parts = np.zeros((len(PARTS) - 1, len(self)), np.float32)
        company = parts[:2]
        self.model.columns.add(rows[is_fitted], factors[:, is_fitted], company)
        self._borrowed.add(company)
        self._live.add(seen, factors[:, rows >= 0], company)
        np.maximum(company, 0, out=company)
        parts[0] = raised(parts[0], mixture.history_power)
        parts[1] = raised(parts[1], mixture.session_power)
        # Scaled before it is single precision, whose range is small.
        parts[2] = self._mass / max(self._mass.max(initial=0.0), np.finfo(float).tiny)
        parts[:, seen] = 0
        totals = np.append(parts.sum(1), len(self) - len(np.unique(seen)))
        pause = float(at - history.timestamp[-1]) if len(history) else np.inf
        # A reason that says nothing of any film leaves its share to the others.
        says = totals > MIN_TOTAL
        shares = np.where(says, mixture.pi(len(history), pause), 0.0)
        factor = np.divide(
            shares / max(shares.sum(), 1e-30), totals, out=np.zeros(len(PARTS)), where=says
        )
        parts *= factor[:-1, None].astype(np.float32)
        choice = parts.sum(0) + np.float32(factor[-1])
        choice[seen] = -1
        return ChoiceScores(choice=choice, parts=parts, any=float(factor[-1]), seen=seen)

    def with_films(self, catalog: Catalog) -> LiveChoice:
        """The same with the films of another catalogue; what was learned stays."""
        extended = LiveChoice(self.model, catalog)
        rows = extended.rows(self.item_ids)
        extended._mass[rows[rows >= 0]] = self._mass[rows >= 0]
        extended._at = self._at
        extended._live = self._live.in_rows(rows, len(extended))
        return extended

    def save(self, folder: Path) -> None:
        """Write what was learned so far as arrays into an existing folder."""
        np.save(folder / "item_ids.npy", self.item_ids)
        np.save(folder / "likes.npy", self._mass)
        np.save(folder / "at.npy", np.array(self._at))
        self._live.save(folder)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote, of the same model and catalogue."""
        rows = self.rows(np.load(folder / "item_ids.npy"))
        self._mass[rows] = np.load(folder / "likes.npy")
        self._at = int(np.load(folder / "at.npy"))
        self._live = LiveColumns.load(folder, self.model.columns, len(self)).in_rows(
            rows, len(self)
        )

    def allows(
        self, genres: Collection[str], first_year: int | None, last_year: int | None
    ) -> NDArray[np.bool_] | None:
        """Which films (N,) have one of the genres and a year in the range; None when all do.

        Raises InputError for a genre that no film has.
        """
        if not genres and first_year is None and last_year is None:
            return None
        allowed = np.ones(len(self), bool)
        if genres:
            known = self._catalog.genres
            if unknown := sorted(set(genres) - set(known)):
                raise InputError(f"no film has the genre {unknown[0]!r}: name one of {known}")
            allowed = np.any([self._of_genre[genre] for genre in genres], axis=0)
        if first_year is not None or last_year is not None:
            # A film of an unknown year, zero, is in no range.
            allowed &= self._years >= max(first_year or 1, 1)
            allowed &= self._years <= (last_year if last_year is not None else np.inf)
        return allowed

    @cached_property
    def _sorted(self) -> tuple[Vocabulary, NDArray[np.int64]]:
        order = np.argsort(self.item_ids)
        return Vocabulary(self.item_ids[order]), order

    @cached_property
    def _borrowed(self) -> BorrowedColumns:
        return BorrowedColumns.of(self.model.columns.counts, self._of_genre)

    @cached_property
    def _years(self) -> NDArray[np.int64]:
        films = (self._catalog.get(item_id) for item_id in self.item_ids.tolist())
        return np.array([film.year or 0 if film else 0 for film in films], np.int64)

    @cached_property
    def _of_genre(self) -> dict[str, NDArray[np.bool_]]:
        of_genre = {genre: np.zeros(len(self), bool) for genre in self._catalog.genres}
        for row, item_id in enumerate(self.item_ids.tolist()):
            film = self._catalog.get(item_id)
            for genre in film.genres if film is not None else ():
                of_genre[genre][row] = True
        return of_genre
