"""Driftline's own page: a module a section, each with what it reads (``read``) and how it is shown (``show``)."""
