"""Tests of a domain in a few lines."""
