"""The three models of a set: rating, like and segment. They predict; engines fit them."""
