"""Where ratings and films come from: known layouts, a download, or a simulation."""
