"""What can be queried, and by what."""
