"""Figures against plain clients on a real Kafka: `make bench`."""
