"""Engines fit the models of a set: here on one machine."""
