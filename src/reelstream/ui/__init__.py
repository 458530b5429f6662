"""The web page; it speaks HTTP to the API and nothing else."""
