"""Aggregates and their events in a database, in one transaction."""
