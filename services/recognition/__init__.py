"""Core values, recognitions, hi5s and the feed; holds the allowances that hi5s are spent from."""
