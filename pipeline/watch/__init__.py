"""Watches: standing queries, evaluated on everything that becomes part of a lake (`regionlake watch`)."""
