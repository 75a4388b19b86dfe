"""Slices that go worse than they did, found by themselves: cells of one column and of two, in bounded memory."""
