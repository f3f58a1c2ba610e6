"""How fast dddkit is, as ratios to the same work written by hand, measured side by side."""
