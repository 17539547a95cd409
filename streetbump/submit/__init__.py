"""Places → requests to the right city, at most one per place and episode."""
