"""The status of a follower and its feeds: written to disk, logged and measured."""
