"""The SQL that commands use."""
