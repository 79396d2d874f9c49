"""The rules of a help desk as pure functions and values: standard library only, no I/O, the time is passed in."""
