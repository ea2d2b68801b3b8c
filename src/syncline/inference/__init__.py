"""A first contract from data: columns are summed up batch by batch, and what they show becomes a document to review."""
