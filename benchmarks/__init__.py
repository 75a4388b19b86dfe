"""Speed, memory and detection quality, beside the peers, in one run."""
