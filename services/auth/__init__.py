"""Organisations, users, roles and credentials."""
