"""Telling other systems what happened: endpoints, deliveries and their signatures."""
