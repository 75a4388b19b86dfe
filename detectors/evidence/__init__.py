"""Evidence of drift that accumulates over windows: tolerance-ball Shiryaev-Roberts e-detectors on count vectors.

A monitor tolerates every law near its reference. Many bettors, each with its own idea of a drift, bet against all of
these laws at once; a bet's factor has mean at most 1 under any of them. What the bettors hold together grows by at most
1 a window while nothing drifts, so a fleet that alarms when it reaches A does so falsely once in A windows at most.

References
----------
Shin, Ramdas and Rinaldo, arXiv:2203.03532 (e-detectors); Grünwald, de Heide and Koolen, arXiv:1906.07801, and Larsson,
Ramdas and Ruf, arXiv:2402.18810 (the reverse information projection); Wasserman, Ramdas and Balakrishnan,
arXiv:1912.11436 (universal inference).
"""
