"""The service: configuration, sources, decoding, panes, state, evaluation, metrics, HTTP and the command line."""
