"""What the live stream is compared with: bins, counts, and the file that holds them."""

from monitor.reference.builder import BuildSettings, ReferenceBuilder, build_reference
from monitor.reference.document import Reference
from monitor.reference.fitting import Bins, bins_from_dict, fit_bins
from monitor.reference.parts import ReferenceColumn, ReferenceFlag, Tally, Volume
from monitor.reference.summing import reference_of_counts
from monitor.reference.wire import InvalidReferenceError

__all__ = [
    "Bins",
    "BuildSettings",
    "InvalidReferenceError",
    "Reference",
    "ReferenceBuilder",
    "ReferenceColumn",
    "ReferenceFlag",
    "Tally",
    "Volume",
    "bins_from_dict",
    "build_reference",
    "fit_bins",
    "reference_of_counts",
]
