"""The contract as checks: generated rows and Arrow columns, with one verdict."""
