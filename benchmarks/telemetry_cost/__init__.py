"""The parts of the subject `telemetry`: its contenders, and what they send spans to."""
