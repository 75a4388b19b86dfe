"""Performance before labels: estimates, never to be mixed with realised figures, each with its validity light."""
