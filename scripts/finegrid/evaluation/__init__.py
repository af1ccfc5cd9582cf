"""Scores, selection, statistics and the comparison of modes. No torch."""
