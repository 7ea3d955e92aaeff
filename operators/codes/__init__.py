"""Binary codes of regions: what is coded, how bits are chosen, and their Hamming distance."""
