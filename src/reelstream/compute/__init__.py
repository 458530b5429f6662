"""What all compiled functions share: array types, and threads."""
