"""Pieces that several views show."""
