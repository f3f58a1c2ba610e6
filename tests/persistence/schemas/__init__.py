"""Public schemas, written from memory: their tables as they are, the classes mapped onto them, and units."""
