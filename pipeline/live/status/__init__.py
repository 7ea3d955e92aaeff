"""How a follower and its feeds are: written down, logged and measured."""
