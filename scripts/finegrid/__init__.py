"""finegrid: which way of fine-tuning a small Transformer wins, over a whole grid of settings.

The nouns live here; the verbs that use them are the scripts one folder up, one per rule.
"""
