"""How much likelier likes are at present than the like model says.

The like model is calibrated on ratings from all of the time that it learned from; those to come may
be more or less generous. One number, in log odds, follows them: a random walk, of which every
rating is a Bernoulli observation (an extended Kalman filter of logistic regression: Fahrmeir,
*Posterior Mode Estimation by Extended Kalman Filtering for Multivariate Dynamic Generalized Linear
Models*, JASA 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import expit

# Variance of the offset before the first rating: a fifth in log odds, five points in a hundred.
START_VARIANCE = 0.05
# Ratings after which one counts for a third: a share of a thousand is known to within two points in
# a hundred.
MEMORY_RATINGS = 1_000.0


@dataclass(slots=True)
class LikeOffset:
    """The offset and how sure it is."""

    value: float = 0.0
    """In log odds."""
    variance: float = START_VARIANCE

    def update(self, log_odds: float, *, liked: bool) -> None:
        """Learn from a rating that had these log odds of a like without the offset."""
        probability = float(expit(log_odds + self.value))
        # With a step of this variance an offset's own comes to rest at 4 / MEMORY_RATINGS, where a
        # rating of even odds has the weight 1 / MEMORY_RATINGS.
        self.variance += 4 / MEMORY_RATINGS**2
        information = probability * (1 - probability)
        gain = self.variance / (1 + self.variance * information)
        self.value += gain * (liked - probability)
        self.variance -= gain * self.variance * information
