"""How people run it: command line, set-up scripts, pictures of the answers."""
