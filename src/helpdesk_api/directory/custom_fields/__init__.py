"""Custom fields: what a tenant adds to its tickets and client cards."""
