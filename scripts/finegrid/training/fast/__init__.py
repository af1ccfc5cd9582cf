"""What makes training quick."""
