"""Time, threads and retries of a process, its connection to Ray, and actors that are made again when they die."""
