"""Brings a company's existing people, core values and recognitions in from CSV files."""

from services.importing.command_line import main

__all__ = ["main"]
