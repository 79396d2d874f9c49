"""Who exists and who may act: tenants, users, teams and API keys."""
