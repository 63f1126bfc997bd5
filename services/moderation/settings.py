"""Moderation needs nothing beyond what every service reads from its environment."""

from shared.settings import Settings

__all__ = ["Settings"]
