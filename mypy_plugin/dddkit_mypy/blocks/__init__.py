"""What the plugin knows about aggregates, events, value objects and changes handlers."""
