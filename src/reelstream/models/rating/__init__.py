"""The rating model: what it is, how a user is filtered, how items learn online."""
