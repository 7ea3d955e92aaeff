"""Accounts for every frame: received = pending + kept + waiting + not selected + shed + lost, even if processes die."""
