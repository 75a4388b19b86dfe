"""One strict YAML file: what it may hold, how it is read, and how its errors are told."""
