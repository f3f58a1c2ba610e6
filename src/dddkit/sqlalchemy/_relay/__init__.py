"""How a relay works: what it takes from the outbox, publishes, and records; one idea in each module."""
