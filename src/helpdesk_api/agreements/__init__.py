"""What was promised: calendars of working time, SLA policies, services and contracts."""
