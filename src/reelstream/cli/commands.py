"""Every command: its name, the function that runs it, and its help."""

from __future__ import annotations

from reelstream.cli.lazy_commands import LazyCommand, LazyGroup

MODELS = LazyGroup(
    name="models",
    help="List, compare, choose, remove and check model sets.",
    no_args_is_help=True,
    commands=[
        LazyCommand(
            "list",
            "models:list_sets",
            "Every model set that is on disk, with its scores on ratings that no set has learned.",
        ),
        LazyCommand(
            "show",
            "models:show",
            "One model set: what it learned from, the gate's verdict, and the record of the "
            "batches before it.",
        ),
        LazyCommand(
            "segments",
            "segments:segments",
            "What each segment of a model set is: size, habits, genres and films that its users "
            "rate more than others.",
        ),
        LazyCommand(
            "activate",
            "models:activate",
            "Serve this model set until `activate --latest`, whatever is trained meanwhile.",
        ),
        LazyCommand(
            "prune",
            "models:prune",
            "Remove old model sets, never the one in service; their releases stay as a record.",
        ),
        LazyCommand(
            "verify",
            "models:verify",
            "Compare every file of every model set with the checksum it was published with.",
        ),
        LazyCommand(
            "rebuild",
            "rebuild:rebuild",
            "Make a model set again from its batches, seed and predecessor, and compare the two "
            "bit for bit.",
        ),
    ],
)
BATCHES = LazyGroup(
    name="batches",
    help="List batches, take one out of training, and put it back.",
    no_args_is_help=True,
    commands=[
        LazyCommand(
            "list",
            "batches:list_batches",
            "Every closed batch: its ratings, what was rejected, how they drift, and whether it "
            "is taken out.",
        ),
        LazyCommand(
            "exclude",
            "batches:exclude",
            "Take a batch out of every later fit and of the users' histories; its files stay.",
        ),
        LazyCommand("include", "batches:include", "Put a batch back that was taken out."),
    ],
)
FILMS = LazyGroup(
    name="films",
    help="Bring what is known of films up to date.",
    no_args_is_help=True,
    commands=[
        LazyCommand(
            "update",
            "films:update",
            "Take over new and changed films from film files; a running system answers with them "
            "at once.",
        ),
    ],
)
REJECTED = LazyGroup(
    name="rejected",
    help="List rejected rows, show them, and send them again after an edit.",
    no_args_is_help=True,
    commands=[
        LazyCommand(
            "list", "rejected:list_rejected", "How many rows were rejected, by batch and reason."
        ),
        LazyCommand(
            "show",
            "rejected:show",
            "The rejected rows of a batch, or one of them, with reason and bytes; `requeue` takes "
            "these lines back.",
        ),
        LazyCommand(
            "requeue",
            "requeue:requeue_rows",
            "Send rejected rows again after an edit, each once; nothing is sent unless all of "
            "them are ratings.",
        ),
    ],
)
KEYS = LazyGroup(
    name="keys",
    help="Make keys for the API, list them, and revoke them.",
    no_args_is_help=True,
    commands=[
        LazyCommand(
            "create",
            "keys:create",
            "Make a key for the API and print it; it is kept nowhere, only what recognises it.",
        ),
        LazyCommand(
            "list", "keys:list_keys", "Every key: what it is for, and when it was last used."
        ),
        LazyCommand("revoke", "keys:revoke", "Make a key count no longer, in running servers too."),
    ],
)
COMMANDS = (
    LazyCommand(
        "run",
        "run:run",
        "Stream ratings, train on them and answer, all on this machine; Ctrl-C ends it, a second "
        "run continues.",
    ),
    LazyCommand(
        "produce",
        "produce:produce",
        "Send a data set's ratings into the log; what the log has of them already is not sent "
        "again.",
    ),
    LazyCommand(
        "batch",
        "batch:batch",
        "Write the log's ratings into batch files, each of them exactly once; Ctrl-C ends it.",
    ),
    LazyCommand(
        "train",
        "train:train",
        "Train a model set for every batch that has none; exit code 1 says that the gate refused "
        "the last of them.",
    ),
    LazyCommand(
        "serve",
        "serve:serve",
        "Answer from the newest model set and every user's ratings up to now; Ctrl-C ends it.",
    ),
    LazyCommand("ui", "ui:ui", "Show the page; it queries the API, and needs no work folder."),
    LazyCommand(
        "status",
        "status:status",
        "How far each stage lags the log, which set serves, and what is remarkable.",
    ),
    LazyCommand(
        "audit",
        "audit:audit",
        "Reconcile log, batches, rejected rows and model sets; name the first thing that does "
        "not add up.",
    ),
    LazyCommand(
        "forget",
        "forget:forget",
        "Forget all that a user has rated up to now, by a message on the log; what is rated "
        "later counts.",
    ),
    LazyCommand(
        "evaluate",
        "evaluate:evaluate",
        "Score what would be served: fit on one part of the ratings, predict the other. No "
        "stream is needed.",
    ),
    LazyCommand(
        "inspect",
        "inspect:inspect",
        "Say what a data set is taken for: its columns, scale, ratings, films, and all that was "
        "assumed or is rejected. Nothing is sent.",
    ),
    LazyCommand(
        "simulate",
        "simulate:simulate",
        "Write a made-up data set in MovieLens's layout: its films and tastes are invented.",
    ),
    MODELS,
    BATCHES,
    FILMS,
    REJECTED,
    KEYS,
)
