"""A lake shared out by source and time over processes, each of which holds its part and ranks it."""
