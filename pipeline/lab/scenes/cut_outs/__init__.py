"""Objects cut out of real pictures along their masks, and set on plain and real backgrounds."""
