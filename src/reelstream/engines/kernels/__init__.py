"""The compiled steps of a fit; nothing that predicts needs them."""
