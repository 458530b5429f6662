"""The shapes of queries and answers over HTTP. The API validates with them and generates its
OpenAPI document from them; the client and the page read answers with them.

Fields have Python names here (`user_id`, `item_id`) and MovieLens's in JSON (`userId`, `movieId`),
as on the log.

>>> RatingQuery(user_id=1, item_id=31).model_dump_json()
'{"userId":1,"movieId":31,"at":null,"distribution":false}'
"""

from reelstream.contract.base import (
    MAX_LIMIT,
    MAX_QUERIES,
    MAX_TIME,
    Answer,
    NoQuery,
    NumberQuery,
    Query,
)
from reelstream.contract.films import FilmAnswer, FilmQuery, FilmsAnswer, FilmsQuery
from reelstream.contract.model_sets import (
    BatchScores,
    Comparison,
    GateReport,
    ModelSetAnswer,
    ModelSetsAnswer,
    Scores,
    WindowScores,
)
from reelstream.contract.predictions import (
    Basis,
    Classification,
    ClassificationAnswer,
    Clustering,
    ClusteringAnswer,
    FullAnswer,
    PairQuery,
    RatingQuery,
    Regression,
    RegressionAnswer,
    SegmentQuery,
)
from reelstream.contract.problems import FailedEntry, FieldError, Problem
from reelstream.contract.ratings import NewRating, RatingToDelete, WrittenAnswer
from reelstream.contract.recommendations import (
    OwnRating,
    Reason,
    RecommendationsAnswer,
    RecommendationsQuery,
    RecommendedFilm,
    SimilarAnswer,
    SimilarFilm,
    SimilarQuery,
    StrangerQuery,
)
from reelstream.contract.segments import (
    ExampleFilm,
    GenreLift,
    SegmentAnswer,
    SegmentsAnswer,
)
from reelstream.contract.status import (
    BatchStatus,
    Failure,
    HealthAnswer,
    HistoryStatus,
    LogStatus,
    NewestSet,
    PartitionStatus,
    ScaleStatus,
    ServiceStatus,
    StatusAnswer,
)
from reelstream.contract.users import (
    RatedFilm,
    UserAnswer,
    UserQuery,
    UsersAnswer,
    UsersQuery,
    UserSummary,
)
from reelstream.contract.waiting import Wait

__all__ = [
    "MAX_LIMIT",
    "MAX_QUERIES",
    "MAX_TIME",
    "Answer",
    "Basis",
    "BatchScores",
    "BatchStatus",
    "Classification",
    "ClassificationAnswer",
    "Clustering",
    "ClusteringAnswer",
    "Comparison",
    "ExampleFilm",
    "FailedEntry",
    "Failure",
    "FieldError",
    "FilmAnswer",
    "FilmQuery",
    "FilmsAnswer",
    "FilmsQuery",
    "FullAnswer",
    "GateReport",
    "GenreLift",
    "HealthAnswer",
    "HistoryStatus",
    "LogStatus",
    "ModelSetAnswer",
    "ModelSetsAnswer",
    "NewRating",
    "NewestSet",
    "NoQuery",
    "NumberQuery",
    "OwnRating",
    "PairQuery",
    "PartitionStatus",
    "Problem",
    "Query",
    "RatedFilm",
    "RatingQuery",
    "RatingToDelete",
    "Reason",
    "RecommendationsAnswer",
    "RecommendationsQuery",
    "RecommendedFilm",
    "Regression",
    "RegressionAnswer",
    "ScaleStatus",
    "Scores",
    "SegmentAnswer",
    "SegmentQuery",
    "SegmentsAnswer",
    "ServiceStatus",
    "SimilarAnswer",
    "SimilarFilm",
    "SimilarQuery",
    "StatusAnswer",
    "StrangerQuery",
    "UserAnswer",
    "UserQuery",
    "UserSummary",
    "UsersAnswer",
    "UsersQuery",
    "Wait",
    "WindowScores",
    "WrittenAnswer",
]
