"""The atomic store of all pipeline state: a port, RocksDB behind it, and a store in memory for tests."""
