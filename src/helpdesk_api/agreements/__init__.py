"""What was promised: calendars of working time and SLA policies."""
