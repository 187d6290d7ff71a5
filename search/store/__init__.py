"""The run folder: append-only tables, storage and its copy, leaderboard, predictions."""
