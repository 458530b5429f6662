"""A model set's release as a person reads it."""

from __future__ import annotations

import typer

from reelstream.cli.output import print_table, utc
from reelstream.evaluation.reports import BatchScores, Scores
from reelstream.storage.release import Release


def print_release(release: Release) -> None:
    """One release: verdict, scores, and the prequential record."""
    served = "may serve" if release.may_serve else "does not serve"
    typer.echo(
        f"model set {release.number} {served} ({release.gate.verdict}: {release.gate.reason}), "
        f"fitted by {release.engine} from {len(release.manifests)} batches, "
        f"{utc(release.created_at)} UTC"
    )
    print_table(
        ["", "ratings", "RMSE", "MAE", "AUC", "log loss", "NDCG@10"],
        [["holdout", *_scores(release.holdout), release.holdout.ndcg_10]],
    )
    if release.record:
        print_table(
            ["batch", "predicted by", "ratings", "RMSE", "MAE", "AUC", "log loss"],
            [row for scores in release.record for row in _record_rows(scores)],
            title="Each new batch, predicted before anybody learned from it",
        )
    ranked = [scores for scores in release.record if scores.ranking is not None]
    if ranked:
        print_table(
            ["batch", "lists", "users", "NDCG@10", "of what is popular"],
            [_ranking_row(scores) for scores in ranked],
            title="Ten films recommended at a sample of times in each new batch",
        )


def _record_rows(scores: BatchScores) -> list[list[object]]:
    predicted_by = "no set yet" if scores.model_set is None else f"set {scores.model_set}"
    named = [
        (f"{predicted_by}, live", scores.live),
        (f"{predicted_by}, live users only", scores.live_users),
        (f"{predicted_by}, static", scores.static),
        ("user and item biases", scores.biases),
        ("global mean", scores.global_mean),
    ]
    return [[scores.batch, name, *_scores(each)] for name, each in named if each is not None]


def _ranking_row(scores: BatchScores) -> list[object]:
    found = scores.ranking
    assert found is not None
    return [scores.batch, found.n, found.n_users, found.ndcg_10, found.popularity_ndcg_10]


def _scores(scores: Scores) -> list[object]:
    return [scores.n, scores.rmse, scores.mae, scores.auc, scores.log_loss]
