"""The four services of Peerly."""
