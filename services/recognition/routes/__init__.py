"""Requests to commands and queries, and back."""
