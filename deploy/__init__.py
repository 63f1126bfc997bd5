"""What operations need: secrets, the broker's users, settings of the servers."""
