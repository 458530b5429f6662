"""Ratings as events: scale, kinds, messages on the log, and many of them as columns."""
