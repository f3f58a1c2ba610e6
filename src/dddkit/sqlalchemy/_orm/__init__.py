"""Mapped aggregates in a unit of work: SQLAlchemy's session reads and writes them, and the unit decides when."""
