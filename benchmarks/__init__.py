"""How fast dddkit is: ratios to what a person would write by hand, measured side by side."""
