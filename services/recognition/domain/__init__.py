"""Decisions about core values, recognitions, hi5s and files: pure, without clock, framework or driver."""
