"""Makes a board known: its name, its probes, its keys, its label."""
