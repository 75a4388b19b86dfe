"""Evidence of drift in the service: which count vectors are judged, window by window, and what is said of them.

Each model has a fleet of monitors for what is known at prediction time and, where outcomes are known, another for
these. A fleet has one copy for each severity, with its own tolerance, budget and state. Rows in time enter one evidence
window each; late rows never do.
"""
