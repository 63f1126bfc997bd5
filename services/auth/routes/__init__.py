"""Requests to commands and queries, and their answers."""
