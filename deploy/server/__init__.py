"""The service: one lake over HTTP, for the page, the client and other programs."""
