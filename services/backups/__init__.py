"""`python -m services backup` and `restore`: the whole database in one file, and back again."""
