"""How good lists of recommendations were, once it is known what was chosen and liked."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reelstream.evaluation.reports import RankingScores

# Films of a list that are scored.
DEPTH = 100
_DISCOUNTS = 1 / np.log2(np.arange(2, DEPTH + 2))


@dataclass(frozen=True, slots=True)
class FilmPopularity:
    """How often N films were rated before."""

    novelty: NDArray[np.float64]
    """(N,): bits of surprise that a random rating is of this film; one rating for a film without.
    """
    thirds: NDArray[np.int64]
    """(N,): 0 for the most rated films, which have a third of all ratings together, to 2 for the
    least rated.
    """

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> FilmPopularity:
        """`counts` (N,): ratings of each film."""
        total = max(int(counts.sum()), 1)
        order = np.argsort(-counts, kind="stable")
        before = np.cumsum(counts[order]) - counts[order]
        thirds = np.empty(len(counts), np.int64)
        thirds[order] = np.minimum(3 * before // total, 2)
        return cls(-np.log2(np.maximum(counts, 1) / total), thirds)


@dataclass(slots=True)
class ListScores:
    """Scores of one method's lists, one for each question, as they come."""

    popularity: FilmPopularity
    recommended: set[int] = field(default_factory=set)
    """Films that were among the first ten of any list."""
    novelty: list[float] = field(default_factory=list)
    by_third: list[list[float]] = field(default_factory=lambda: [[], [], []])
    """NDCG@100 where only targets of one third of popularity count."""
    user_ids: list[int] = field(default_factory=list)
    ndcg_10: list[float] = field(default_factory=list)
    ndcg_100: list[float] = field(default_factory=list)
    recall_20: list[float] = field(default_factory=list)
    recall_50: list[float] = field(default_factory=list)
    reciprocal_ranks: list[float] = field(default_factory=list)

    def add(self, user_id: int, top: NDArray[np.int64], targets: NDArray[np.int64]) -> None:
        """One list of at most DEPTH films, the best first, and what was to be found, at least one.

        Recall is of as many as the list can hold (Liang et al., WWW 2018); the reciprocal rank of a
        list without a hit is zero.
        """
        hits = np.isin(top, targets)
        self.recommended.update(top[:10].tolist())
        self.novelty.append(float(self.popularity.novelty[top[:10]].mean()) if len(top) else 0.0)
        for third, scores in enumerate(self.by_third):
            wanted = targets[self.popularity.thirds[targets] == third]
            if len(wanted):
                scores.append(ndcg(np.isin(top, wanted), DEPTH, len(wanted)))
        self.user_ids.append(user_id)
        self.ndcg_10.append(ndcg(hits, 10, len(targets)))
        self.ndcg_100.append(ndcg(hits, DEPTH, len(targets)))
        self.recall_20.append(float(hits[:20].sum() / min(20, len(targets))))
        self.recall_50.append(float(hits[:50].sum() / min(50, len(targets))))
        self.reciprocal_ranks.append(float(1 / (1 + hits.argmax())) if hits.any() else 0.0)

    def by_user(self) -> NDArray[np.float64]:
        """(n_users,): the mean NDCG@10 of each user's questions, users rising."""
        _, row = np.unique(self.user_ids, return_inverse=True)
        means: NDArray[np.float64] = np.bincount(row, self.ndcg_10) / np.bincount(row)
        return means

    def scores(self) -> RankingScores:
        """The means."""
        n = len(self.user_ids)
        if not n:
            return RankingScores(n=0, n_users=0)
        by_user = self.by_user()
        return RankingScores(
            n=n,
            n_users=len(by_user),
            ndcg_10=float(np.mean(self.ndcg_10)),
            ndcg_10_by_user=float(by_user.mean()),
            ndcg_100=float(np.mean(self.ndcg_100)),
            recall_20=float(np.mean(self.recall_20)),
            recall_50=float(np.mean(self.recall_50)),
            mrr=float(np.mean(self.reciprocal_ranks)),
            ndcg_100_by_popularity=tuple(
                float(np.mean(scores)) if scores else None for scores in self.by_third
            ),
            novelty=float(np.mean(self.novelty)),
            coverage=len(self.recommended) / len(self.popularity.thirds),
        )


def best_rows(
    scores: NDArray[np.floating], seen: NDArray[np.int64], n: int = DEPTH
) -> NDArray[np.int64]:
    """The rows of the n largest of `scores` (N,) that are not among `seen`, the largest first."""
    left = scores.astype(np.float32)
    left[seen] = -np.inf
    n = min(n, len(left) - len(np.unique(seen)))
    if n <= 0:
        return np.empty(0, np.int64)
    found = np.sort(np.argpartition(-left, n - 1)[:n])
    return found[np.argsort(-left[found], kind="stable")]


def ndcg(hits: NDArray[np.bool_], depth: int, n_targets: int) -> float:
    """Normalized discounted cumulative gain of the first `depth` films of a list, given which are
    `hits` (n,) and how many there were to be found (Järvelin and Kekäläinen, TOIS 2002).
    """
    gained = _DISCOUNTS[: min(depth, len(hits))][hits[:depth]].sum()
    return float(gained / _DISCOUNTS[: min(depth, n_targets)].sum())
