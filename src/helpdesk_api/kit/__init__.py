"""Mechanisms without a help-desk noun: database, context, CRUD, problems, events, jobs, deadlines, the HTTP edge."""
