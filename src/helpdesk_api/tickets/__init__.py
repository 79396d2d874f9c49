"""Tickets, their comments and their SLA clocks."""
