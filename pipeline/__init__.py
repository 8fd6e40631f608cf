"""Puts the rooms together: scenario, plan, runtime, ledger and verdict; nothing imports it."""
