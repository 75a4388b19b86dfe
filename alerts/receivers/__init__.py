"""The ways out: one kind of receiver a file."""
