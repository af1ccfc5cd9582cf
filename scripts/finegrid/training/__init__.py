"""The training loop of a cell."""
