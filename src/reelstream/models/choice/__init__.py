"""The choice model: which film a user takes next."""
