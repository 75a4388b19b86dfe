"""Calibration of scores and of predictive distributions, from exact sums that merge.

Sums a bin (``sums``), counted by ``table`` or handed over by another table of the same sums; figures from them in
``reliability``, ``error``, ``murphy``, ``losses`` and ``slope``. For regression: ``pit``, ``coverage``, ``pinball``.
"""
