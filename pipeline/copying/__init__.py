"""Copies of lakes: backups, which are made while a lake is written."""
