"""Random faults while feeds are followed: `python -m tests.live.faults`."""
