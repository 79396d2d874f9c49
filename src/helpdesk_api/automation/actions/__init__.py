"""What automation can do to a ticket: one ordered list of actions, the same wherever somebody may have things done.

`schemas` says how a list looks in JSON, `checking` who may write which, `performing` does it. Each kind of action that
has to decide something has a module of its own.
"""
