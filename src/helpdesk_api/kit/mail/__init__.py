"""Outbound e-mail: written with the change that causes it, sent by the worker, kept readable in sandbox tenants.

`queue` holds the messages and the job that sends them; `transports` are the ways in which one leaves. What is said to
whom, and why, is decided by the callers.
"""
