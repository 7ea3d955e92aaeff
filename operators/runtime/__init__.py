"""How operators share memory, threads and files of the process they run in."""
