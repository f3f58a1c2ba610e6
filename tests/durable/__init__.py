"""Durable stories."""
