"""What all operators share in a process: memory, threads, files, registries and settings."""
