"""The databases and brokers that tests use: SQLite, and a PostgreSQL, NATS and RabbitMQ of their own."""
