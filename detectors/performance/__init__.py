"""Performance by task, from tables of exact counts that add up, subtract and merge."""
