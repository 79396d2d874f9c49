"""The commands of `helpdesk`, a module each: they read options, call below, and print. Rules live elsewhere."""
