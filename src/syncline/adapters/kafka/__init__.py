"""The log on a Kafka cluster, through librdkafka."""
