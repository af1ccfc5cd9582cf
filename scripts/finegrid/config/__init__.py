"""What a run is: its configuration, made into typed objects once."""
