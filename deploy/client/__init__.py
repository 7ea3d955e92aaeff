"""The client of the service: the calls of a local lake, over HTTP."""
