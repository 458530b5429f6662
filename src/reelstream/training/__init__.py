"""From new batches to a published model set."""
