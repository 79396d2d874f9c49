"""The clients: companies and the people who work for them."""
