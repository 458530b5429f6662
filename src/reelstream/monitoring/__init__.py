"""Statistics of the running system: lag, drift, audit."""
