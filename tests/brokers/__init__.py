"""Messages over the brokers themselves: NATS JetStream and RabbitMQ."""
