"""Aggregates and events in a database."""
