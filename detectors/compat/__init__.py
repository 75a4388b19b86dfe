"""What other monitors would say of the same counts, by their own default statistics, bins and thresholds."""
