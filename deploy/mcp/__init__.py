"""A lake for agents: tools of the Model Context Protocol, each a few requests to `regionlake serve`."""
