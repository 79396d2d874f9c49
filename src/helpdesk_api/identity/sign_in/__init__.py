"""Signing in: passwords, links by e-mail, second factors and identity providers, and the sessions they open.

`sessions` holds what a sign-in gives and `routes` how to get one; `attempts` bounds how often anybody may try. What a
person may then do is decided by `identity.principals`.
"""
