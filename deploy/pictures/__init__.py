"""Pictures and clips of hits, and plots of answers."""
