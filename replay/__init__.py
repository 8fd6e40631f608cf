"""The time and memory of a run: clocks, players and evidence."""
