"""What a fit may begin at, of the set in service."""

from __future__ import annotations

from reelstream.features.holdout import HOLDOUT_RULE
from reelstream.models.bundle import ModelBundle

# These have learned from what another rule does not hold out. Segments and the like model's counts
# are judged by nothing.
_JUDGED_FAMILIES = "rating", "choice"


def warm_start(models: ModelBundle, holdout_rule: int) -> ModelBundle:
    """The models that the next fit goes on from; `holdout_rule`: that of their set.

    Those of an older rule know the answers of the present holdout: rating and choice model then
    begin anew, and segments keep their numbers.
    """
    if holdout_rule != HOLDOUT_RULE:
        for family in _JUDGED_FAMILIES:
            models = models.without(family)
    return models
