"""The lake of Lance tables: reading, the one committer that writes it, upkeep, audit and status."""
