"""Policies, periods, the ledger of hi5s and balances."""
