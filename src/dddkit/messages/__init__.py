"""What events are called outside of the process, and how they are written and read."""
