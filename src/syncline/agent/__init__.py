"""The agent: reads the log deterministically, checks every record, and keeps the current values in a store."""
