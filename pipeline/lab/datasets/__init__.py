"""Reads data sets in local folders into one type; each layout has a file of its own."""
