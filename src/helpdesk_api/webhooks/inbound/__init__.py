"""What other systems send to us: hooks, what they make of messages, and the messages themselves with their outcomes."""
