"""Reports, reviews and the cases they make."""
