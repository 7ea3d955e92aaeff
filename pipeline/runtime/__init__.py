"""Time, threads and retries of a process."""
