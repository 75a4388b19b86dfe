"""How alerts leave: guarded connections, secrets that never show themselves, and what an answer means."""
