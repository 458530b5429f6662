"""Layout on disk: batch files, histories and model sets."""
