"""What the models know of films and users besides ratings; defined once for every engine."""
