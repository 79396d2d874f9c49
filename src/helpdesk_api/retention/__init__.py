"""How long a tenant keeps what: the rules, what they would remove, and applying them."""
