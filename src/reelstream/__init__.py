"""reelstream: ratings arrive as a stream; predictions are excellent, honest about their certainty,
and up to date.
"""

__version__ = "0.1.0"
