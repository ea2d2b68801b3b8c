"""What an operator looks at: the fleet as it reports itself, and dead letters. Reads only, never decides."""
