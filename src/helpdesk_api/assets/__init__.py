"""The equipment of clients: kinds of it, each piece of it, and where it has been."""
