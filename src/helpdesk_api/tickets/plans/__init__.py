"""Plans that open tickets by themselves: recurring tickets, and the maintenance of equipment and places."""
