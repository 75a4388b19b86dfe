"""A loan-scoring stream in which drift is known to begin, and what shows that it was found."""
