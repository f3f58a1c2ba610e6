"""Names and messages of events that leave the process."""
