"""The like model: how likely a rating at or above the threshold is."""
