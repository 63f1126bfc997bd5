"""How fast Peerly is, beside what the same machine can do: `make bench`."""
