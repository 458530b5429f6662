"""Answers from the newest model set and every rating up to now."""
