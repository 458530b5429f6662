"""Are recommendations the best in the field?

ml-latest-small by time, live, and for users that the set has not seen, beside popularity, predicted
stars, EASE, item-kNN, user-kNN, RP3beta and iALS on the same splits; peers are tuned on the newest
quarter of the training part.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from common import Bar, at_least, at_most, data_set, finish, parser
from peers.item_choice import ImplicitAls, Scorer, UserKnn, item_knn, rp3beta
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
# Every so many-th question tunes a peer.
TUNED_EACH = 8
LIKED = 4.0

Rows = NDArray[np.int64]
Make = Callable[[csr_array], Scorer]
PEERS: Mapping[str, list[tuple[str, Make]]] = {
    "item-kNN": [
        (f"{n} neighbours, shrinkage {s}", lambda x, n=n, s=s: item_knn(x, n, s))  # type: ignore[misc]
        for n in (50, 200)
        for s in (5.0, 25.0, 100.0)
    ],
    "user-kNN": [
        (f"{n} neighbours, shrinkage {s}", lambda x, n=n, s=s: UserKnn(x, n, s))  # type: ignore[misc]
        for n in (60, 120, 250)
        for s in (2.0, 10.0)
    ],
    "RP3beta": [
        (f"alpha {a}, beta {b}, 200 neighbours", lambda x, a=a, b=b: rp3beta(x, a, b, 200))  # type: ignore[misc]
        for a in (0.8, 1.2)
        for b in (0.2, 0.4, 0.6)
    ],
    "iALS": [
        (f"32 factors, weight {w}, ridge {r}", lambda x, w=w, r=r: ImplicitAls(x, 32, w, r))  # type: ignore[misc]
        for w in (0.1, 0.3)
        for r in (0.003, 0.01)
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
    run = rank_in_time(model_set, split.train, split.test, is_live=True, rankers=(explored,))
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
    }
    return row, bars_in_time(lists, run, row)


def explored(walk: Walk, moment: Moment, question: Question) -> Iterator[tuple[str, Rows]]:
    """What exploring costs: another draw at each moment."""
    films, query = walk.films, RecommendationQuery(strategy="explore", seed=moment.start)
    found = films.recommend(walk.state(moment), walk.history(moment), query, walk.at(moment))
    yield "ours, exploring (ten films)", films.choice.rows(found.item_ids)


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
            for field in ("ndcg_10", "ndcg_100", "recall_20", "recall_50", "reciprocal_ranks"):
                getattr(joined, field).extend(getattr(scores, field))
            joined.novelty += scores.novelty
    bars: list[Bar] = []
    for field, lead in (("ndcg_100", 0.018), ("recall_20", 0.015)):
        values = {name: float(np.mean(getattr(each, field))) for name, each in lists.items()}
        mine = values.pop(OURS)
        bars += [
            at_least(f"unseen users: {field} above EASE's", mine - values["ease"], lead),
            at_least(
                f"unseen users: {field} above the best peer's", mine - max(values.values()), 0.0
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
