"""What Peerly is measured against: small programs that do one thing, as well as it can be done."""
