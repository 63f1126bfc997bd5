"""The SQL that commands use; each statement works for the transaction's organisation."""
