"""Read-only views over everything below: what no single module can tell."""
