"""Reads for the API: SQL straight to the answer."""
