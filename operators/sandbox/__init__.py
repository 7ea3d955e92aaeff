"""Confines a process that decodes foreign files: what it may read, write, reach and use, enforced by the kernel."""
