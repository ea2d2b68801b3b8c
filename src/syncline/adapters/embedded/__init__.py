"""A broker and a schema registry inside this process: for the demo and for tests, not for real data."""
