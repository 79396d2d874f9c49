"""Running the product on one machine: embedded engines, supervision, the demo tenant, the replay of real history."""
