"""Measures methods of search on a data set, which is ingested and searched as a user would."""
