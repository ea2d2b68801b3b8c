"""Snapshots: copies of feature state (cells, positions, T, digests), to start a new agent from."""
