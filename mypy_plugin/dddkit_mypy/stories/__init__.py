"""What the plugin knows about a story."""
