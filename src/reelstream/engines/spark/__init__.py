"""The Spark engine: the same models from the same batch files, fitted on a Spark cluster."""
