"""Making one client card of several that are the same, and several of one again."""
