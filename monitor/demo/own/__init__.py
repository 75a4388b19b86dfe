"""A person's own file as a stream: read, put in time order, watched by the service's own code, summed up."""
