"""The models of a set: rating, like, segment and choice. They predict; engines fit them."""
