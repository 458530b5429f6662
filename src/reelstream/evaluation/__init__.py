"""How good predictions are: scores, baselines, replays, splits."""
