"""What the roles need from the outside, as protocols. Adapters fill them; one conformance suite holds them to it."""
