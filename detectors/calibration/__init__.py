"""Calibration of scores and of predictive distributions, from exact sums that merge.

Sums a bin (``sums``) are counted by ``table``, or handed over by another table of the same sums; figures from them are
in ``reliability``, ``error``, ``squared``, ``murphy``, ``losses`` and ``slope``. Many fine bins become few of equal
mass by ``bins.merge(equal_mass(reference_rows, 15))``: the groups come from the reference, so windows compare. For
regression: ``pit``, ``coverage``, ``pinball``.
"""
