"""Statistics: count matrices in, scores and evidence out. No clock, no I/O, no configuration."""
