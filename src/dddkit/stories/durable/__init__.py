"""Stories that survive their process."""
