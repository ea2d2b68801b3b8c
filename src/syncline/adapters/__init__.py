"""What fills the ports: Kafka, registries, stores; and the same inside one process, for demos and tests."""
