"""The confirmation of a search: candidates on fresh seeds and folds, intervals, the test set."""
