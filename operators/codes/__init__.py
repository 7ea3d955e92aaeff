"""Binary codes of regions: the features that are coded, the choice of bits, and the Hamming distance."""
