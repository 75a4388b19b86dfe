"""Performance by task, from tables of exact counts that add up, subtract and merge.

A table is a flat vector of 64-bit integers, linear in rows: ``table(a + b) = table(a) + table(b)``, and a row of weight
-1 leaves as it came. Figures follow from tables, many at once, each with its interval, the rows it rests on and what
bins can hide; ``compare`` gives the change against a reference, another version or a number.
"""

from detectors.performance.amounts import Costs
from detectors.performance.binary import BinaryTable, ByBin
from detectors.performance.estimate import Change, Estimate, compare
from detectors.performance.multiclass import MulticlassTable
from detectors.performance.propensity import WeightedClasses, WeightedErrors
from detectors.performance.ranking import RankingTable
from detectors.performance.regression import RegressionTable
from detectors.performance.tables import PerformanceTable, table_of

__all__ = [
    "BinaryTable",
    "ByBin",
    "Change",
    "Costs",
    "Estimate",
    "MulticlassTable",
    "PerformanceTable",
    "RankingTable",
    "RegressionTable",
    "WeightedClasses",
    "WeightedErrors",
    "compare",
    "table_of",
]
