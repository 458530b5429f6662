"""`reelstream models`: the model sets of a work folder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.opening import open_engine, open_settings, open_work_folder, say, spark_conf
from reelstream.cli.output import print_json, print_table
from reelstream.errors import SettingError

if TYPE_CHECKING:
    from reelstream.catalog import Catalog
    from reelstream.models.segment.description import Segment
    from reelstream.settings import Settings
    from reelstream.storage.model_registry import ModelRegistry
    from reelstream.storage.release import BatchScores, Release, Scores

app = typer.Typer(help="List, compare, choose, remove and check model sets.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="N", help="The model set's number.")]


@app.command("list")
def list_sets(
    work: options.Work = None, config: options.Config = None, as_json: options.Json = False
) -> int:
    """Every model set that is on disk, with its scores on ratings that no set has learned."""
    registry = _open(open_settings(config, {"work": work}))
    current = registry.current()
    releases = registry.releases()
    in_service = None if current is None else current.number
    if as_json:
        print_json({"current": in_service, "pinned": registry.pinned(), "releases": releases})
        return DONE
    print_table(
        ["set", "current", "trained at (UTC)", "batches", "RMSE", "AUC", "log loss", "gate"],
        [
            [
                release.number,
                "◀ pinned"
                if release.number == registry.pinned()
                else "◀"
                if release.number == in_service
                else "",
                _clock(release.created_at),
                len(release.manifests),
                release.holdout.rmse,
                release.holdout.auc,
                release.holdout.log_loss,
                release.gate.verdict,
            ]
            for release in releases
        ],
    )
    return DONE


@app.command()
def show(
    number: Number,
    work: options.Work = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """One model set: what it learned from, the gate's verdict, and the record of the batches before
    it.
    """
    release = _open(open_settings(config, {"work": work})).release(number)
    if as_json:
        print_json(release)
        return DONE
    print_release(release)
    return DONE


@app.command()
def segments(
    number: Number,
    work: options.Work = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """What each segment of a model set is: size, habits, genres and films that its users rate more
    than others.
    """
    folder, _ = open_work_folder(open_settings(config, {"work": work}))

    from reelstream.storage.model_registry import ModelRegistry  # noqa: PLC0415

    catalog = folder.read_catalog()
    table = sorted(
        ModelRegistry(folder.models).load(number, catalog).segment.segments,
        key=lambda each: each.number,
    )
    if as_json:
        print_json({"number": number, "segments": table})
        return DONE
    print_table(
        ["segment", "", "users", "ratings of one", "mean", "spread"],
        [
            [each.number, each.label, each.size, each.ratings, each.mean, each.spread]
            for each in table
        ],
    )
    print_table(
        ["segment", "genres", "films"],
        [
            [
                each.number,
                _lifts(each),
                "; ".join(_title(catalog, item_id) for item_id in each.item_ids),
            ]
            for each in table
        ],
        title="Rated more than by all users",
    )
    return DONE


@app.command()
def activate(
    number: Annotated[
        int | None, typer.Argument(metavar="N", help="The model set's number.")
    ] = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="Serve the newest set again, now and later.")
    ] = False,
    work: options.Work = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Serve this model set until `activate --latest`, whatever is trained meanwhile."""
    if (number is None) == (not latest):
        raise SettingError("name the model set's number, or --latest")
    registry = _open(open_settings(config, {"work": work}))
    registry.activate(number)
    current = registry.current()
    in_service = None if current is None else current.number
    if as_json:
        print_json({"current": in_service, "pinned": registry.pinned()})
    else:
        typer.echo(f"model set {in_service} is current")
    return DONE


@app.command()
def prune(
    keep: Annotated[
        int | None, typer.Option(min=1, help="How many of the newest sets stay.  \\[default: 5]")
    ] = None,
    work: options.Work = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Remove old model sets, never the one in service; their releases stay as a record."""
    settings = open_settings(config, {"work": work, "train.keep": keep})
    gone = _open(settings).prune(settings.train.keep)
    if as_json:
        print_json({"removed": gone})
    else:
        typer.echo(f"removed model sets: {', '.join(map(str, gone)) or 'none'}")
    return DONE


@app.command()
def verify(
    work: options.Work = None, config: options.Config = None, as_json: options.Json = False
) -> int:
    """Compare every file of every model set with the checksum it was published with."""
    problems = _open(open_settings(config, {"work": work})).verify()
    if as_json:
        print_json({"problems": problems})
    elif not problems:
        typer.echo("every model set is as it was published")
    for problem in problems:
        say(problem)
    return FAILED if problems else DONE


@app.command()
def rebuild(
    number: Number,
    work: options.Work = None,
    engine: options.Engine = None,
    master: options.Master = None,
    conf: options.SparkConf = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Make a model set again from its batches, seed and predecessor, and compare the two bit for
    bit.
    """
    settings = open_settings(
        config,
        {
            "work": work,
            "train.engine": engine,
            "spark.master": master,
            "spark.conf": spark_conf(conf),
        },
    )
    folder, _ = open_work_folder(settings)

    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415
    from reelstream.storage.model_registry import ModelRegistry  # noqa: PLC0415
    from reelstream.training.rebuild import rebuild as make_again  # noqa: PLC0415

    registry, batches = ModelRegistry(folder.models), BatchFolder(folder.batches)
    different = make_again(
        number, registry, batches, open_engine(settings), folder.read_catalog(), folder.root
    )
    if as_json:
        print_json({"number": number, "identical": not different, "different": different})
    elif not different:
        typer.echo(f"model set {number} comes out bit for bit the same")
    for name in different:
        say(
            f"{name} comes out differently: compare the versions in `reelstream models show"
            f" {number} --json`"
        )
    return FAILED if different else DONE


def print_release(release: Release) -> None:
    """One release for a person: verdict, scores, and the prequential record."""
    served = "may serve" if release.may_serve else "does not serve"
    typer.echo(
        f"model set {release.number} {served} ({release.gate.verdict}: {release.gate.reason}),"
        f" fitted by {release.engine} from {len(release.manifests)} batches,"
        f" {_clock(release.created_at)} UTC"
    )
    print_table(
        ["", "ratings", "RMSE", "MAE", "AUC", "log loss"], [["holdout", *_scores(release.holdout)]]
    )
    if release.record:
        print_table(
            ["batch", "predicted by", "ratings", "RMSE", "MAE", "AUC", "log loss"],
            [row for scores in release.record for row in _record_rows(scores)],
            title="Each new batch, predicted before anybody learned from it",
        )


def _lifts(segment: Segment) -> str:
    return ", ".join(f"{each.genre} ×{each.lift:.2f}" for each in segment.genres)


def _title(catalog: Catalog, item_id: int) -> str:
    film = catalog.get(item_id)
    return film.title if film is not None else f"film {item_id}"


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


def _scores(scores: Scores) -> list[object]:
    return [scores.n, scores.rmse, scores.mae, scores.auc, scores.log_loss]


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _open(settings: Settings) -> ModelRegistry:
    from reelstream.storage.model_registry import ModelRegistry  # noqa: PLC0415

    folder, _ = open_work_folder(settings)
    return ModelRegistry(folder.models)
