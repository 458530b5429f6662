"""Every command: its name, the function that runs it, and its help."""

from __future__ import annotations

from reelstream.cli.lazy_commands import LazyCommand, LazyGroup

MODELS = LazyGroup(
    name="models",
    help="List, compare, choose, remove and check model sets.",
    commands=[
        LazyCommand(
            "list",
            "models:list_sets",
            "Every model set that is on disk, with its scores on ratings that no set has learned.",
            examples=[
                "reelstream models list",
                "reelstream models list --work work-million --json",
            ],
        ),
        LazyCommand(
            "show",
            "models:show",
            "One model set: what it learned from, the gate's verdict, and the record of the "
            "batches before it.",
            examples=[
                "reelstream models show 3",
                "reelstream models show 3 --json",
            ],
        ),
        LazyCommand(
            "segments",
            "segments:segments",
            "What each segment of a model set is: size, habits, genres and films that its users "
            "rate more than others.",
            examples=[
                "reelstream models segments 3",
            ],
        ),
        LazyCommand(
            "activate",
            "models:activate",
            "Serve this model set until `activate --latest`, whatever is trained meanwhile.",
            examples=[
                "reelstream models activate 2         # a rollback: no rating is lost",
                "reelstream models activate --latest",
            ],
        ),
        LazyCommand(
            "prune",
            "models:prune",
            "Remove old model sets, never the one in service; their releases stay as a record.",
            examples=[
                "reelstream models prune --keep 2",
            ],
        ),
        LazyCommand(
            "verify",
            "models:verify",
            "Compare every file of every model set with the checksum it was published with.",
            examples=[
                "reelstream models verify",
            ],
        ),
        LazyCommand(
            "rebuild",
            "rebuild:rebuild",
            "Make a model set again from its batches, seed and predecessor, and compare the two "
            "bit for bit.",
            examples=[
                "reelstream models rebuild 3",
            ],
        ),
    ],
)
BATCHES = LazyGroup(
    name="batches",
    help="List batches, take one out of training, and put it back.",
    commands=[
        LazyCommand(
            "list",
            "batches:list_batches",
            "Every closed batch: its ratings, what was rejected, how they drift, and whether it "
            "is taken out.",
            examples=[
                "reelstream batches list",
            ],
        ),
        LazyCommand(
            "exclude",
            "batches:exclude",
            "Take a batch out of every later fit and of the users' histories; its files stay.",
            examples=[
                "reelstream batches exclude 2",
            ],
        ),
        LazyCommand(
            "include",
            "batches:include",
            "Put a batch back that was taken out.",
            examples=[
                "reelstream batches include 2",
            ],
        ),
    ],
)
FILMS = LazyGroup(
    name="films",
    help="Bring what is known of films up to date.",
    commands=[
        LazyCommand(
            "update",
            "films:update",
            "Take over new and changed films from film files; a running system answers with them "
            "at once.",
            examples=[
                "reelstream films update the-movies-dataset",
            ],
        ),
    ],
)
REJECTED = LazyGroup(
    name="rejected",
    help="List rejected rows, show them, and send them again after an edit.",
    commands=[
        LazyCommand(
            "list",
            "rejected:list_rejected",
            "How many rows were rejected, by batch and reason.",
            examples=[
                "reelstream rejected list",
            ],
        ),
        LazyCommand(
            "show",
            "rejected:show",
            "The rejected rows of a batch, or one of them, with reason and bytes; `requeue` takes "
            "these lines back.",
            examples=[
                "reelstream rejected show 1",
                "reelstream rejected show 1 --json > rows.jsonl    # to edit and requeue",
            ],
        ),
        LazyCommand(
            "requeue",
            "requeue:requeue_rows",
            "Send rejected rows again after an edit, each once; nothing is sent unless all of "
            "them are ratings.",
            examples=[
                "reelstream rejected requeue rows.jsonl",
            ],
        ),
    ],
)
LOG = LazyGroup(
    name="log",
    help="Look into the log: its topics, and the records in them.",
    commands=[
        LazyCommand(
            "topics",
            "log:topics",
            "Every topic of the log, with its partitions and how many records it holds.",
            examples=[
                "reelstream log topics",
                "reelstream log topics --broker kafka://localhost:9092",
            ],
        ),
        LazyCommand(
            "tail",
            "log:tail",
            "The newest records of a topic as the log holds them; with --follow, those that come.",
            examples=[
                "reelstream log tail -n 5",
                "reelstream log tail --follow",
                "reelstream log tail --json",
            ],
        ),
    ],
)
KEYS = LazyGroup(
    name="keys",
    help="Make keys for the API, list them, and revoke them.",
    commands=[
        LazyCommand(
            "create",
            "keys:create",
            "Make a key for the API and print it; it is kept nowhere, only what recognises it.",
            examples=["reelstream keys create page --scope read"],
        ),
        LazyCommand(
            "list",
            "keys:list_keys",
            "Every key: what it is for, and when it was last used.",
            examples=["reelstream keys list"],
        ),
        LazyCommand(
            "revoke",
            "keys:revoke",
            "Make a key count no longer, in running servers too.",
            examples=["reelstream keys revoke page"],
        ),
    ],
)
COMMANDS = (
    LazyCommand(
        "demo",
        "demo:demo",
        "Show everything with one word: ratings stream in slowly, models are trained on them, and "
        "the page opens.",
        examples=["reelstream demo", "reelstream demo --simulated --work play --no-browser"],
    ),
    LazyCommand(
        "run",
        "run:run",
        "Stream ratings, train on them and answer, all on this machine; Ctrl-C ends it, a second "
        "run continues.",
        examples=[
            "reelstream run",
            "reelstream run --data ml-25m --work work-25m --until-set 3 --no-ui",
            "reelstream run --broker kafka://localhost:9092 --work work-kafka",
        ],
    ),
    LazyCommand(
        "produce",
        "produce:produce",
        "Send a data set's ratings into the log; what the log has of them already is not sent "
        "again.",
        examples=[
            "reelstream produce --data ml-latest-small",
            "reelstream produce --data newer.csv --append",
            "reelstream produce --data ratings.csv --columns user=who,item=what,rating=stars",
        ],
    ),
    LazyCommand(
        "batch",
        "batch:batch",
        "Write the log's ratings into batch files, each of them exactly once; Ctrl-C ends it.",
        examples=[
            "reelstream batch --once",
            "reelstream batch --batch-rows 10000 --batch-seconds 60",
        ],
    ),
    LazyCommand(
        "train",
        "train:train",
        "Train a model set for every batch that has none; exit code 1 says that the gate refused "
        "the last of them.",
        examples=[
            "reelstream train",
            "reelstream train --follow --keep 3",
            "reelstream train --engine spark --master spark://host:7077",
        ],
    ),
    LazyCommand(
        "serve",
        "serve:serve",
        "Answer from the newest model set and every user's ratings up to now; Ctrl-C ends it.",
        examples=[
            "reelstream serve",
            "reelstream serve --work work-million --port 5001",
        ],
    ),
    LazyCommand(
        "ui",
        "ui:ui",
        "Show the page; it queries the API, and needs no work folder.",
        examples=[
            "reelstream ui",
            "reelstream ui --api http://127.0.0.1:5001 --port 8502",
        ],
    ),
    LazyCommand(
        "status",
        "status:status",
        "How far each stage lags the log, which set serves, and what is remarkable.",
        examples=[
            "reelstream status",
            "reelstream status --json",
        ],
    ),
    LazyCommand(
        "audit",
        "audit:audit",
        "Reconcile log, batches, rejected rows and model sets; name the first thing that does "
        "not add up.",
        examples=[
            "reelstream audit",
            "reelstream audit --work work-kafka --json",
        ],
    ),
    LazyCommand(
        "forget",
        "forget:forget",
        "Forget all that a user has rated up to now, by a message on the log; what is rated "
        "later counts.",
        examples=[
            "reelstream forget 7",
        ],
    ),
    LazyCommand(
        "evaluate",
        "evaluate:evaluate",
        "Score what would be served: fit on one part of the ratings, predict the other. No "
        "stream is needed.",
        examples=[
            "reelstream evaluate --data ml-latest-small",
            "reelstream evaluate --data ml-1m --split time",
            "reelstream evaluate --data ml-1m --rank --json",
        ],
    ),
    LazyCommand(
        "inspect",
        "inspect:inspect",
        "Say what a data set is taken for: its columns, scale, ratings, films, and all that was "
        "assumed or is rejected. Nothing is sent.",
        examples=[
            "reelstream inspect ratings.csv",
            "reelstream inspect ratings.csv --columns user=who,item=what,rating=stars",
        ],
    ),
    LazyCommand(
        "simulate",
        "simulate:simulate",
        "Write a made-up data set in MovieLens's layout: its films and tastes are invented.",
        examples=[
            "reelstream simulate ratings",
            "reelstream simulate million --users 6000 --items 4000 --ratings 1000000",
        ],
    ),
    LazyCommand(
        "doctor",
        "doctor:doctor",
        "Check this machine and the work folder, from Python and Java to ports, disk, log and "
        "clock, and say what to do about each fault.",
        examples=["reelstream doctor", "reelstream doctor --work work-kafka --json"],
    ),
    MODELS,
    BATCHES,
    FILMS,
    REJECTED,
    KEYS,
    LOG,
)
