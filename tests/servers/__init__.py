"""The databases that tests use: SQLite, and a PostgreSQL of their own."""
