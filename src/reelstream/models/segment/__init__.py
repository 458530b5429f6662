"""The segment model: which kind of user somebody is."""
