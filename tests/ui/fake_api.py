"""A small API whose state a test sets; its answers have the contract's shapes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, request
from pydantic import BaseModel
from werkzeug.serving import make_server

from reelstream import contract

FILMS = {
    1: contract.FilmAnswer(
        item_id=1, title="Toy Story", year=1995, genres=["Animation"], tmdb_id=None, imdb_id=None
    ),
    7: contract.FilmAnswer(
        item_id=7, title="[Rec] *$9*", year=2007, genres=["Horror"], tmdb_id=None, imdb_id=None
    ),
    9: contract.FilmAnswer(
        item_id=9, title="Alien", year=1979, genres=[], tmdb_id=None, imdb_id=None
    ),
}
USERS = {12: 20, 120: 1, 3: 2698}
STARS = (0.0, 0.0, 0.02, 0.05, 0.11, 0.17, 0.21, 0.2, 0.14, 0.1)
"""Probability of half a star, one, and so on."""


@dataclass
class FakeApi:
    """What the API says; a test changes the fields between two looks at the page."""

    model_set: int | None = 3
    reasons: list[str] = field(default_factory=list)
    log_end: int = 5000
    refuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Start of a path -> status and detail of the problem that it answers."""
    requests: list[str] = field(default_factory=list)
    """Method, path and query of every request so far."""
    is_late: bool = False
    """Whether reads that wait for a write time out."""
    own: dict[int, dict[int, float]] = field(default_factory=dict)
    """User -> film -> what was written."""
    dismissed: dict[int, list[int]] = field(default_factory=dict)
    """User -> films, the newest first."""
    verdicts: dict[int, str] = field(
        default_factory=lambda: {3: "accepted", 2: "refused", 1: "first"}
    )

    def app(self) -> Flask:
        app = Flask("fake")
        app.before_request(self._note)
        app.before_request(self._refuse)
        app.get("/health/ready")(self._health)
        app.get("/v1/status")(self._status)
        app.get("/v1/models")(self._models)
        app.get("/v1/events")(self._events)
        app.get("/v1/segments")(self._segments)
        app.get("/v1/segments/map")(self._map)
        app.get("/v1/users")(self._users)
        app.get("/v1/users/<int:user_id>")(self._user)
        app.get("/v1/items")(self._items)
        app.get("/v1/items/<int:item_id>")(lambda item_id: _json(FILMS[item_id]))
        app.get("/v1/items/<int:item_id>/similar")(self._similar)
        app.get("/v1/users/<int:user_id>/items/<int:item_id>")(self._answer)
        app.get("/v1/users/<int:user_id>/items/<int:item_id>/because")(self._because)
        app.get("/v1/users/<int:user_id>/recommendations")(self._recommendations)
        app.get("/v1/users/<int:user_id>/questions")(self._questions)
        app.get("/v1/users/<int:user_id>/surprises")(self._surprises)
        app.get("/v1/items/<int:item_id>/audience")(self._audience)
        app.post("/v1/ratings")(self._rate)
        app.get("/v1/users/<int:user_id>/dismissed")(self._dismissed)
        app.put("/v1/users/<int:user_id>/dismissed/<int:item_id>")(self._dismiss)
        app.delete("/v1/users/<int:user_id>/dismissed/<int:item_id>")(self._undo_dismissal)
        app.post("/v1/models/<name>/activate")(self._activate)
        return app

    def _note(self) -> None:
        query = request.query_string.decode()
        self.requests.append(f"{request.method} {request.path}{'?' if query else ''}{query}")

    def _refuse(self) -> Response | None:
        if self.is_late and "after" in request.args:
            late = contract.Problem(title="Late", status=504, detail="not read so far yet")
            return _json(late, 504)
        for start, (status, detail) in self.refuses.items():
            if request.path.startswith(start):
                return _json(
                    contract.Problem(title="Refused", status=status, detail=detail), status
                )
        return None

    def _health(self) -> Response:
        state = "waiting" if self.model_set is None else "degraded" if self.reasons else "ready"
        answer = contract.HealthAnswer(status=state, reasons=self.reasons, model_set=self.model_set)
        return _json(answer, 503 if self.model_set is None else 200)

    def _status(self) -> Response:
        service = self.model_set and contract.ServiceStatus(
            number=self.model_set, created_at=0, age=80.0, since=time.time() - 75
        )
        return _json(
            contract.StatusAnswer(
                model_set=service,
                swaps=1,
                scale=contract.ScaleStatus(lowest=0.5, highest=5.0, step=0.5, like_threshold=4.0),
                log=contract.LogStatus(
                    end=self.log_end, batched=4000, trained=4000, followed=self.log_end
                ),
                newest_set=contract.NewestSet(number=3, verdict="accepted"),
                partitions=[],
                batches=contract.BatchStatus(
                    count=3,
                    newest=3,
                    closed_at=0,
                    excluded=[],
                    ratings=4000,
                    rejected=0,
                    repeats=0,
                    ratings_a_second=0.0,
                    rejected_share=0.0,
                    drift=None,
                ),
                histories=contract.HistoryStatus(users=len(USERS), live=0),
                lists=contract.ListStatus(shown=7, hit=2, ratings=40, listed=4),
                failures=[],
            )
        )

    def _models(self) -> Response:
        sets = [self._set(number, verdict) for number, verdict in self.verdicts.items()]
        return _json(contract.ModelSetsAnswer(in_service=self.model_set, model_sets=sets))

    def _set(self, number: int, verdict: str) -> contract.ModelSetAnswer:
        return contract.ModelSetAnswer(
            number=number,
            current=number == self.model_set,
            in_service=number == self.model_set,
            created_at=1_700_000_000,
            engine="local",
            batches=list(range(1, number + 1)),
            scores=contract.Scores(n=50, rmse=0.876, coverage_1sd=0.66, coverage_2sd=0.952),
            gate=contract.GateReport(
                verdict=verdict,
                reason=f"set {number} was {verdict} for a reason",
                earlier=None,
                batches={},
            ),
            record=[_scores_of_batch(number)],
        )

    def _events(self) -> Response:
        """A rating that was expected to be lower, and the batch that it filled."""
        rating = contract.StreamEvent(
            cursor=1_000_000,
            kind="rating",
            at=1.0,
            user_id=12,
            item_id=9,
            title="Matrix, The",
            rating=4.5,
            timestamp=0,
            predicted=3.62,
            sd=0.84,
        )
        batch = contract.StreamEvent(
            cursor=2_000_000, kind="batch", at=2.0, number=3, ratings=4000, rejected=0
        )
        items = [rating, batch][: int(request.args["limit"])]
        return _json(contract.EventsAnswer(items=items, next=2_000_000, missed=False))

    def _segments(self) -> Response:
        segment = contract.SegmentAnswer(
            number=2,
            label="generous drama lovers",
            size=132,
            ratings=45,
            mean=4.05,
            spread=0.75,
            genres=[contract.GenreLift(genre="Drama", share=0.5, lift=1.25)],
            films=[
                contract.ExampleFilm(item_id=7, title="Matrix, The"),
                contract.ExampleFilm(item_id=8, title=None),
            ],
        )
        return _json(contract.SegmentsAnswer(model_set=self.model_set or 0, segments=[segment]))

    def _map(self) -> Response:
        users = [
            contract.MappedUser(user_id=user_id, segment=2, ratings=ratings, x=1.5, y=-0.5)
            for user_id, ratings in USERS.items()
        ]
        return _json(
            contract.MapAnswer(model_set=self.model_set or 0, users=users, total=len(USERS))
        )

    def _users(self) -> Response:
        found = [
            contract.UserSummary(user_id=user_id, ratings=ratings)
            for user_id, ratings in USERS.items()
            if str(user_id).startswith(request.args["query"])
        ]
        return _json(
            contract.UsersAnswer(users=found[: int(request.args["limit"])], total=len(USERS))
        )

    def _user(self, user_id: int) -> Response:
        own = self._ratings_of(user_id)
        rated = [
            contract.RatedFilm(
                item_id=item_id,
                title=FILMS[item_id].title,
                rating=rating,
                timestamp=988_848_000,
            )
            for item_id, rating in own.items()
        ]
        return _json(
            contract.UserAnswer(
                user_id=user_id,
                known_user=bool(own),
                total=USERS.get(user_id, 0) + len(self.own.get(user_id, {})),
                ratings=rated,
                segment=contract.Clustering(
                    prediction=2, label="generous drama lovers", size=132, genres=["Drama"]
                ),
                taste=[
                    contract.GenreLeaning(genre="Drama", stars=0.31, sd=0.2),
                    contract.GenreLeaning(genre="Horror", stars=-0.4, sd=0.3),
                ],
            )
        )

    def _ratings_of(self, user_id: int) -> dict[int, float]:
        return ({1: 4.5} if user_id in USERS else {}) | self.own.get(user_id, {})

    def _rate(self) -> Response:
        body = request.get_json()
        own, item_id = self.own.setdefault(int(body["userId"]), {}), int(body["movieId"])
        if body["rating"] is None:
            own.pop(item_id, None)
        else:
            own[item_id] = body["rating"]
        self.log_end += 1
        return _json(contract.WrittenAnswer(token=f"0:{self.log_end}", events=1), 202)

    def _dismissed(self, user_id: int) -> Response:
        films = [
            contract.DismissedFilm(item_id=item_id, title=FILMS[item_id].title, timestamp=0)
            for item_id in self.dismissed.get(user_id, [])
        ]
        return _json(contract.DismissedAnswer(user_id=user_id, total=len(films), items=films))

    def _dismiss(self, user_id: int, item_id: int) -> Response:
        self.dismissed.setdefault(user_id, []).insert(0, item_id)
        return _json(contract.WrittenAnswer(token=f"0:{self.log_end}", events=1), 202)

    def _undo_dismissal(self, user_id: int, item_id: int) -> Response:
        self.dismissed[user_id].remove(item_id)
        return _json(contract.WrittenAnswer(token=f"0:{self.log_end}", events=1), 202)

    def _activate(self, name: str) -> Response:
        self.model_set = max(self.verdicts) if name == "latest" else int(name)
        pinned = None if name == "latest" else self.model_set
        return _json(
            contract.ChosenSetAnswer(
                current=self.model_set, pinned=pinned, in_service=self.model_set
            )
        )

    def _recommendations(self, user_id: int) -> Response:
        """Films that are not rated: by number, or from the last for the highest stars."""
        strategy = request.args.get("strategy", "best")
        left_out = {*self._ratings_of(user_id), *self.dismissed.get(user_id, [])}
        left_out.add(int(request.args.get("without", 0)))
        films = [film for film in FILMS.values() if film.item_id not in left_out]
        reasons = [
            contract.Reason(item_id=item_id, title=FILMS[item_id].title, share=0.3)
            for item_id in self.own.get(user_id, {})
        ]
        items = [
            contract.RecommendedFilm(
                item_id=film.item_id,
                title=film.title,
                score=0.1,
                choice=0.1,
                parts={"history": 1.0},
                prediction=4.2,
                sd=0.8,
                probability=0.7,
                reasons=reasons,
            )
            for film in films[:: -1 if strategy == "rating" else 1]
        ]
        return _json(
            contract.RecommendationsAnswer(
                model_set=int(request.args.get("model_set", self.model_set or 0)),
                basis=self._basis(user_id),
                user_id=user_id,
                items=items,
                next=None,
                ignored=[],
            )
        )

    def _because(self, user_id: int, item_id: int) -> Response:
        parts = [
            contract.RatingPart(
                item_id=rated,
                title=FILMS[rated].title,
                rating=rating,
                timestamp=0,
                part=0.25,
                without=-0.2,
            )
            for rated, rating in self._ratings_of(user_id).items()
        ]
        return _json(
            contract.BecauseAnswer(
                model_set=self.model_set or 0,
                basis=self._basis(user_id),
                user_id=user_id,
                item_id=item_id,
                title=FILMS[item_id].title,
                prediction=3.4 + 0.25 * len(parts),
                everyone=3.5,
                features=-0.3,
                quality=0.2,
                ratings=parts,
                others=0.0,
                beyond_scale=0.0,
            )
        )

    def _questions(self, user_id: int) -> Response:
        films = [film for film in FILMS.values() if film.item_id not in self._ratings_of(user_id)]
        items = [contract.QuestionFilm(item_id=film.item_id, title=film.title) for film in films]
        return _json(
            contract.QuestionsAnswer(model_set=self.model_set or 0, user_id=user_id, items=items)
        )

    def _similar(self, item_id: int) -> Response:
        items = [
            contract.SimilarFilm(item_id=film.item_id, title=film.title, score=0.31)
            for film in FILMS.values()
            if film.item_id != item_id
        ]
        return _json(
            contract.SimilarAnswer(
                model_set=self.model_set or 0,
                item_id=item_id,
                title=FILMS[item_id].title,
                items=items,
            )
        )

    def _surprises(self, user_id: int) -> Response:
        ratings = [
            contract.Surprise(
                item_id=item_id,
                title=FILMS[item_id].title,
                rating=rating,
                timestamp=0,
                predicted=3.1,
                sd=0.7,
                surprise=1.29,
            )
            for item_id, rating in self._ratings_of(user_id).items()
        ]
        return _json(
            contract.SurprisesAnswer(
                model_set=self.model_set or 0, user_id=user_id, ratings=ratings
            )
        )

    def _audience(self, item_id: int) -> Response:
        segment = contract.SegmentAudience(
            number=2, label="generous drama lovers", users=3, mean=4.1, liked=2 / 3
        )
        return _json(
            contract.AudienceAnswer(
                model_set=self.model_set or 0,
                item_id=item_id,
                title=FILMS[item_id].title,
                ratings=3,
                mean=4.1,
                distribution={"0.5": 0, "4": 2, "4.5": 1},
                periods=[
                    contract.AudiencePeriod(start=0, end=86_400, ratings=1, mean=4.5),
                    contract.AudiencePeriod(start=172_800, end=259_200, ratings=2, mean=3.9),
                ],
                sampled=3,
                segments=[segment],
            )
        )

    def _basis(self, user_id: int) -> contract.Basis:
        written = len(self.own.get(user_id, {}))
        known = user_id in USERS
        return contract.Basis(
            ratings=USERS.get(user_id, 0) + written,
            live=written + (2 if known else 0),
            known_user=known or written > 0,
        )

    def _items(self) -> Response:
        found = [
            film
            for film in FILMS.values()
            if request.args.get("query", "").lower() in film.title.lower()
        ]
        return _json(
            contract.FilmsAnswer(
                items=found[: int(request.args["limit"])], found=len(found), total=len(FILMS)
            )
        )

    def _answer(self, user_id: int, item_id: int) -> Response:
        return _json(
            contract.FullAnswer(
                user_id=user_id,
                item_id=item_id,
                title=FILMS[item_id].title,
                model_set=self.model_set or 0,
                basis=self._basis(user_id),
                regression=contract.Regression(
                    prediction=3.62,
                    sd=0.84,
                    interval=(1.97, 5.0),
                    distribution={
                        f"{stars / 2:g}": probability for stars, probability in enumerate(STARS, 1)
                    },
                ),
                classification=contract.Classification(
                    prediction=1, probability=0.63, threshold=4.0
                ),
                clustering=contract.Clustering(
                    prediction=2, label="generous drama lovers", size=132, genres=["Drama"]
                ),
            )
        )


def _scores_of_batch(number: int) -> contract.BatchScores:
    """As a record has them: nothing but baselines could predict the first batch."""
    baseline = contract.Scores(n=100, rmse=1.0, auc=0.6)
    predicted = None
    windows = []
    if number > 1:
        predicted = contract.Scores(n=100, rmse=0.9 - number / 100, auc=0.7, log_loss=0.6)
        window = {"live": predicted, "static": predicted, "live_users": predicted}
        windows = [contract.WindowScores(ratings=100, **window)]
    return contract.BatchScores(
        ranking=contract.BatchRanking(n=90, n_users=12, ndcg_10=0.12, popularity_ndcg_10=0.08),
        batch=number,
        model_set=number - 1 or None,
        live=predicted,
        static=predicted,
        live_users=predicted,
        global_mean=baseline,
        biases=baseline,
        windows=windows,
    )


class Served:
    """A fake API behind a real port; `stop` and `start` are what an API does that ends and comes
    back.
    """

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self._port, self._api.app(), threaded=True)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _json(answer: BaseModel | dict[str, Any], status: int = 200) -> Response:
    body = answer.model_dump_json() if isinstance(answer, BaseModel) else answer
    return Response(body, status, mimetype="application/json")
