"""From a file of ratings into the log, and from the log into batch files, exactly once."""
