"""Leaderboards, thermometers, search and summaries."""
