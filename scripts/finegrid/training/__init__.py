"""The training loop of a cell, in plain PyTorch and quick."""
