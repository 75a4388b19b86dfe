"""Detection quality beside the peers: how often each is wrong, how soon it is right, how far both are from the limit.

The cells stand in ``cells.toml``; they were written down before any of them was run.
"""
