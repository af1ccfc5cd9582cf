"""The pretrained encoder, its classifier, and which parameters train."""
