"""Predictions from a stream of ratings: excellent, honest about their certainty, and up to date.

    from reelstream import Recommender

    recommender = Recommender.fit("ml-latest-small")
    recommender.predict(users=[1, 1], items=[31, 47])

The names below are loaded when they are first used, so that `import reelstream` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reelstream.ratings.scale import RatingScale
    from reelstream.recommender import Recommender, load_model_set

__version__ = "0.1.0"
__all__ = ["RatingScale", "Recommender", "__version__", "load_model_set"]

_MODULES = {
    "RatingScale": "reelstream.ratings.scale",
    "Recommender": "reelstream.recommender",
    "load_model_set": "reelstream.recommender",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
