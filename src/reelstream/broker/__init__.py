"""The log: an embedded one on SQLite, or Kafka, behind one interface."""
