"""Are recommendations the best in the field?

ml-latest-small by time, live, and for users that the set has not seen, beside popularity, predicted
stars, EASE, item-kNN, user-kNN, RP3beta, iALS, BPR and SLIM on the same splits; peers are tuned on
the newest quarter of the training part. LightFM is not among them: it does not build on Python
3.11.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from common import Bar, at_least, at_most, data_set, finish, parser
from peers.item_choice import Bpr, ImplicitAls, Scorer, UserKnn, item_knn, rp3beta, slim
from reelstream.catalog import Catalog
from reelstream.compute import threads
from reelstream.datasets import Dataset
from reelstream.engines.interface import FitParameters
from reelstream.engines.local import fit_for_evaluation
from reelstream.evaluation.offline import Split, split_in_time, training_set
from reelstream.evaluation.offline_ranking import split_users
from reelstream.evaluation.ranking import (
    OURS,
    Moment,
    Question,
    RankingRun,
    Walk,
    rank_for_anonymous_users,
    rank_in_time,
)
from reelstream.evaluation.ranking_scores import FilmPopularity, ListScores, best_rows
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.model_set import ModelSet
from reelstream.models.recommendation import LiveFilms, RecommendationQuery, live_choice_of
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories

TEST_SHARE, USERS_SHARE, SEEDS = 0.333, 0.2, (1, 2, 3)
# Every so many-th question tunes a peer, and is kept for the chart and the examples.
TUNED_EACH, KEPT_EACH = 8, 10
LIKED = 4.0
# Ratings of a film, up to which the chart counts; users with so many ratings are shown as examples.
CROWDS, SHOWN_FROM = (0, 1, 3, 10, 30, 100, 300), 50

Rows = NDArray[np.int64]
Make = Callable[[csr_array], Scorer]
PEERS: Mapping[str, list[tuple[str, Make]]] = {
    "item-kNN": [
        (f"{n} neighbours, shrinkage {s}", lambda x, n=n, s=s: item_knn(x, n, s))  # type: ignore[misc]
        for n in (50, 200)
        for s in (25.0, 100.0)
    ],
    "user-kNN": [
        (f"{n} neighbours, shrinkage {s}", lambda x, n=n, s=s: UserKnn(x, n, s))  # type: ignore[misc]
        for n in (60, 120)
        for s in (2.0, 10.0)
    ],
    "RP3beta": [
        (f"alpha {a}, beta {b}, 200 neighbours", lambda x, a=a, b=b: rp3beta(x, a, b, 200))  # type: ignore[misc]
        for a in (0.8, 1.2)
        for b in (0.4, 0.6)
    ],
    "iALS": [
        (f"32 factors, weight {w}, ridge {r}", lambda x, w=w, r=r: ImplicitAls(x, 32, w, r))  # type: ignore[misc]
        for w in (0.1, 0.3)
        for r in (0.003, 0.01)
    ],
    "BPR": [
        (f"{f} factors, ridge {r}, {e} epochs", lambda x, f=f, r=r, e=e: Bpr(x, f, r, e))  # type: ignore[misc]
        for f in (32, 64)
        for r in (0.01, 0.03)
        for e in (50,)
    ],
    "SLIM": [
        (f"l1 {a}, l2 {b}, 200 neighbours", lambda x, a=a, b=b: slim(x, a, b, 200))  # type: ignore[misc]
        for a in (0.5, 3.0)
        for b in (10.0, 50.0)
    ],
}


def main() -> int:
    """Both splits."""
    dataset = data_set(parser(__doc__).parse_args().data)
    with threads.one_for_blas():
        by_time, bars = measure_in_time(dataset)
        by_users, more = measure_users(dataset, by_time["tuned"])
        speed, last = measure_speed(dataset)
    results = {"data": dataset.name, "time": by_time, "users": by_users, "speed": speed}
    return finish("ranking", results, [*bars, *more, *last])


def measure_in_time(dataset: Dataset) -> tuple[dict[str, Any], list[Bar]]:
    """At every later moment, live."""
    catalog = dataset.read_catalog().catalog
    split = split_in_time(dataset.read_ratings(), TEST_SHARE)
    items = Vocabulary(np.unique([film.item_id for film in catalog]))
    tuned = tune(split.train, items)
    model_set = fitted(split.train, catalog, dataset, use_times=True)
    beside = Beside()
    run = rank_in_time(
        model_set, split.train, split.test, is_live=True, rankers=(explored, beside.rank)
    )
    lists = dict(run.lists)
    train = matrix(split.train, items)
    for name, options in PEERS.items():
        peer = dict(options)[tuned[name]](train)
        lists[name] = scored(peer, questions(split, items), items)
        print(name, lists[name].scores(), flush=True)
    start = {name: scores.scores().ndcg_10 for name, scores in run.at_start.items()}
    later = {
        name: {"like_share": float(np.mean(each.liked)), "stars": float(np.mean(each.stars))}
        for name, each in run.later.items()
    }
    said = float(np.nanmean(run.later[OURS].said))
    row = {
        "standings": standings(lists),
        "tuned": tuned,
        "at_start": start,
        "later": later,
        "said": said,
        "n_train": len(split.train),
        "calibration": msgspec.to_builtins(run.calibration.bins()),
        "crowds": beside.crowds(),
        "examples": beside.examples(catalog),
    }
    return row, bars_in_time(lists, run, row)


def explored(walk: Walk, moment: Moment, question: Question) -> Iterator[tuple[str, Rows]]:
    """What exploring costs: another draw at each moment."""
    films, query = walk.films, RecommendationQuery(strategy="explore", seed=moment.start)
    found = films.recommend(walk.state(moment), walk.history(moment), query, walk.at(moment))
    yield "ours, exploring (ten films)", films.choice.rows(found.item_ids)


@dataclass
class Beside:
    """What else is kept of the walk: popularity of all times, how well known recommended films are,
    and some lists to look at.
    """

    asked: int = 0
    likes: Rows | None = None
    counts: Rows | None = None
    learned: int = 0
    liked: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows of all likes, rising in time."""
    times: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    known: dict[str, list[int]] = field(default_factory=dict)
    """Method -> ratings that each of its first ten films has in the training part; and what was
    liked.
    """
    shown: dict[int, dict[str, Any]] = field(default_factory=dict)
    """User -> his or her last question with its lists."""

    def rank(self, walk: Walk, moment: Moment, question: Question) -> Iterator[tuple[str, Rows]]:
        """Popularity of all times; see `rank_in_time`."""
        if self.likes is None or self.counts is None:
            n = len(walk.films.choice)
            self.likes = np.zeros(n, np.int64)
            known = walk.rows[~walk.is_test]
            self.counts = np.bincount(known, minlength=n)
            by_time = np.argsort(walk.events.timestamp, kind="stable")
            self.liked = by_time[walk.events.rating[by_time] >= LIKED]
            self.times = walk.events.timestamp[self.liked]
        end = int(np.searchsorted(self.times, walk.at(moment)))
        new = walk.rows[self.liked[self.learned : end]]
        self.likes += np.bincount(new, minlength=len(self.likes))
        self.learned = end
        seen = np.unique(walk.rows[moment.first : moment.start])
        popular = best_rows(self.likes, seen)
        self.asked += 1
        if self.asked % KEPT_EACH == 0:
            self._keep(walk, moment, question, seen)
        yield "popularity, all times", popular

    def _keep(self, walk: Walk, moment: Moment, question: Question, seen: Rows) -> None:
        films, history, at = walk.films, walk.history(moment), walk.at(moment)
        state, scores = walk.state(moment), walk.films.choice.score(history, at)
        stars = films.recommend(state, history, RecommendationQuery(strategy="rating"), at)
        tops = {
            "ours": films.choice.rows(
                films.recommend(state, history, RecommendationQuery(), at).item_ids
            ),
            "EASE": best_rows(scores.parts[0], seen, 10),
            "predicted stars": films.choice.rows(stars.item_ids),
            "liked next": question.targets,
        }
        assert self.counts is not None
        for name, rows in tops.items():
            self.known.setdefault(name, []).extend(self.counts[rows].tolist())
        if len(seen) >= SHOWN_FROM:
            best = history.item_id[np.argsort(-history.rating, kind="stable")[:4]]
            self.shown[question.user_id] = {
                "ratings": len(history),
                "loved": best.tolist(),
                **{name: films.choice.item_ids[rows[:5]].tolist() for name, rows in tops.items()},
            }

    def crowds(self) -> dict[str, list[float]]:
        """Method -> the share of its films with at most so many ratings, for each of CROWDS."""
        return {
            name: [float(np.mean(np.array(counts) <= most)) for most in CROWDS]
            for name, counts in self.known.items()
        }

    def examples(self, catalog: Catalog) -> list[dict[str, Any]]:
        """The last lists of five users, evenly spaced by their number."""
        users = sorted(self.shown)
        chosen = [users[place] for place in np.linspace(0, len(users) - 1, 7).astype(int)[1:-1]]

        def titles(item_ids: list[int]) -> list[str]:
            films = [catalog.get(item_id) for item_id in item_ids]
            return [film.title for film in films if film is not None]

        return [
            {
                name: titles(value) if isinstance(value, list) else value
                for name, value in self.shown[user].items()
            }
            for user in chosen
        ]


def bars_in_time(
    lists: Mapping[str, ListScores], run: RankingRun, row: Mapping[str, Any]
) -> list[Bar]:
    """Bars 1 and 3."""
    ndcg = {name: scores.scores().ndcg_10_by_user or 0.0 for name, scores in lists.items()}
    ours = lists[OURS].scores()
    peers = {name: value for name, value in ndcg.items() if name in (*PEERS, "ease")}
    paired = lists[OURS].by_user() - lists["popularity"].by_user()
    error = paired.std(ddof=1) / np.sqrt(len(paired))
    later = row["later"]
    return [
        at_least("by time: NDCG@10", ours.ndcg_10 or 0.0, 0.058),
        at_least("by time: NDCG@10, mean over users", ndcg[OURS], 0.083),
        at_least(
            "by time: as a multiple of live popularity", ndcg[OURS] / ndcg["popularity"], 1.25
        ),
        at_least("by time: as a multiple of the best peer", ndcg[OURS] / max(peers.values()), 1.3),
        at_least("by time: as a multiple of predicted stars", ndcg[OURS] / ndcg["stars"], 1.9),
        at_least(
            "by time: lead over popularity in standard errors", float(paired.mean() / error), 2.0
        ),
        at_least(
            "start of a session: NDCG@10 less live popularity's",
            row["at_start"][OURS] - row["at_start"]["popularity"],
            0.0,
        ),
        at_most(
            "rated later: like probability promised against likes that came",
            abs(row["said"] - later[OURS]["like_share"]),
            0.03,
        ),
        at_least(
            "rated later: share of likes less EASE's",
            later[OURS]["like_share"] - later["ease"]["like_share"],
            0.0,
        ),
        at_least(
            "rated later: mean stars less EASE's",
            later[OURS]["stars"] - later["ease"]["stars"],
            0.0,
        ),
    ]


def measure_users(dataset: Dataset, tuned: Mapping[str, str]) -> tuple[dict[str, Any], list[Bar]]:
    """Users that the set has not seen, of several seeds together."""
    catalog, lists = dataset.read_catalog().catalog, dict[str, ListScores]()
    for seed in SEEDS:
        train, folded, hidden = split_users(dataset.read_ratings(), USERS_SHARE, seed)
        model_set = fitted(train, catalog, dataset, use_times=False)
        run = rank_for_anonymous_users(model_set, train, folded, hidden)
        items = Vocabulary(np.unique(train.item_id))
        likes = matrix(train, items)
        found = dict(run.lists)
        asked = list(anonymous_users(folded, hidden, items))
        for name, options in PEERS.items():
            found[name] = scored(dict(options)[tuned[name]](likes), iter(asked), items)
        for name, scores in found.items():
            joined = lists.setdefault(name, ListScores(scores.popularity))
            joined.user_ids += [user + seed * 10**9 for user in scores.user_ids]
            for score in ("ndcg_10", "ndcg_100", "recall_20", "recall_50", "reciprocal_ranks"):
                getattr(joined, score).extend(getattr(scores, score))
            joined.novelty += scores.novelty
    bars: list[Bar] = []
    for score, lead in (("ndcg_100", 0.018), ("recall_20", 0.015)):
        values = {name: float(np.mean(getattr(each, score))) for name, each in lists.items()}
        mine = values.pop(OURS)
        bars += [
            at_least(f"unseen users: {score} above EASE's", mine - values["ease"], lead),
            at_least(
                f"unseen users: {score} above the best peer's", mine - max(values.values()), 0.0
            ),
        ]
    return {"standings": standings(lists), "seeds": len(SEEDS)}, bars


def measure_speed(dataset: Dataset) -> tuple[dict[str, Any], list[Bar]]:
    """One list of ten for a user of about 300 ratings."""
    catalog, histories = dataset.read_catalog().catalog, Histories.of(dataset.read_ratings())
    model_set = fitted(histories.ratings, catalog, dataset, use_times=True)
    choice = live_choice_of(model_set)
    assert choice is not None
    films = LiveFilms(model_set=model_set, choice=choice, items=model_set.online_items())
    users = histories.user_ids.tolist()
    history = min((histories.of_user(user) for user in users), key=lambda it: abs(len(it) - 300))
    state, at = model_set.fold_in(history), int(history.timestamp[-1])
    seconds = []
    for _ in range(100):
        started = time.perf_counter()
        films.recommend(state, history, RecommendationQuery(), at)
        seconds.append(time.perf_counter() - started)
    milliseconds = 1000 * float(np.median(seconds[10:]))
    return {"milliseconds": milliseconds, "ratings": len(history)}, [
        at_most("ten of all films for a user of 300 ratings, ms", milliseconds, 2.0)
    ]


def fitted(train: EventColumns, catalog: Catalog, dataset: Dataset, *, use_times: bool) -> ModelSet:
    """The set of the training part."""
    fit = fit_for_evaluation(catalog, dataset.scale, FitParameters())
    models = fit(Histories.of(train), use_times=use_times)
    return training_set(models, catalog, dataset.scale, len(train))


def matrix(ratings: EventColumns, items: Vocabulary) -> csr_array:
    """Who liked what: users x items."""
    liked = ratings[ratings.rating >= LIKED]
    users, rows = np.unique(liked.user_id, return_inverse=True)
    return csr_array(
        (np.ones(len(liked)), (rows, items.rows(liked.item_id))), shape=(len(users), len(items))
    )


def tune(train: EventColumns, items: Vocabulary) -> dict[str, str]:
    """The setting of each peer that is best on the newest quarter of the training part."""
    split = split_in_time(train, 0.25)
    likes = matrix(split.train, items)
    asked = list(questions(split, items))[::TUNED_EACH]
    tuned = {}
    for name, options in PEERS.items():
        found = {
            label: scored(make(likes), iter(asked), items).scores().ndcg_10_by_user or 0.0
            for label, make in options
        }
        tuned[name] = max(found, key=lambda label: found[label])
        print(name, tuned[name], round(found[tuned[name]], 4), flush=True)
    return tuned


Asked = tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""User; rows of what was liked before, of what was rated before, and of what is to be found."""


def questions(split: Split, items: Vocabulary) -> Iterator[Asked]:
    """Every moment of the test part at which something is liked."""
    events = EventColumns.concatenate([split.train, split.test])
    order = np.lexsort((events.offset, events.partition, events.timestamp, events.user_id))
    is_test, events = order >= len(split.train), events[order]
    user, stamp, rows = events.user_id, events.timestamp, items.rows(events.item_id)
    is_like = events.rating >= LIKED
    changes = (user[1:] != user[:-1]) | (stamp[1:] != stamp[:-1]) | (is_test[1:] != is_test[:-1])
    starts = np.flatnonzero(np.append(True, changes))
    for start, end in zip(starts, np.append(starts[1:], len(user)), strict=True):
        if is_test[start] and is_like[start:end].any():
            first = int(np.searchsorted(user, user[start]))
            before = rows[first:start]
            yield (
                int(user[start]),
                before[is_like[first:start]],
                before,
                rows[start:end][is_like[start:end]],
            )


def anonymous_users(
    folded: EventColumns, hidden: EventColumns, items: Vocabulary
) -> Iterator[Asked]:
    """One question for each user."""
    for user in np.unique(hidden.user_id).tolist():
        before, after = folded[folded.user_id == user], hidden[hidden.user_id == user]
        rows, wanted = items.rows(before.item_id), items.rows(after.item_id[after.rating >= LIKED])
        if (wanted >= 0).any():
            is_known = rows >= 0
            liked = rows[is_known & (before.rating >= LIKED)]
            yield user, liked, rows[is_known], wanted[wanted >= 0]


def scored(peer: Scorer, asked: Iterator[Asked], items: Vocabulary) -> ListScores:
    """A peer's lists."""
    scores = ListScores(FilmPopularity.of(np.ones(len(items), np.int64)))
    for user, liked, seen, targets in asked:
        values = peer.score(liked) if len(liked) else np.zeros(len(items), np.float32)
        scores.add(user, best_rows(values, seen), targets)
    return scores


def standings(lists: Mapping[str, ListScores]) -> list[dict[str, Any]]:
    """Best first by user, each with its standard error over users and ours against it."""
    rows, ours = [], lists[OURS].by_user()
    for name, each in lists.items():
        found, mine = each.scores(), each.by_user()
        lead = ours - mine
        rows.append(
            {
                "name": name,
                "ndcg_10": found.ndcg_10,
                "ndcg_10_by_user": found.ndcg_10_by_user,
                "error": float(mine.std(ddof=1) / np.sqrt(len(mine))),
                "ndcg_100": found.ndcg_100,
                "recall_20": found.recall_20,
                "mrr": found.mrr,
                "lead": float(lead.mean()),
                "lead_error": float(lead.std(ddof=1) / np.sqrt(len(lead))),
            }
        )
    return sorted(rows, key=lambda row: -row["ndcg_10_by_user"])


if __name__ == "__main__":
    sys.exit(main())
