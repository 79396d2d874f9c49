"""Keeping client cards in step with other systems: who owns which field, and what was not taken."""
