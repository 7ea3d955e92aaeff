"""What a running RegionLake reports of itself: its log, metrics, its own checks, and its state to a service manager."""
