"""A contract for other readers: JSON Schema, and a page for people."""
