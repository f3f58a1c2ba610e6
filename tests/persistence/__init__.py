"""Aggregates in a database: one suite for both units, both flavours and both databases."""
