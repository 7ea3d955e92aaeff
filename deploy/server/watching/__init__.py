"""Watches over HTTP: questions that the service keeps, evaluates on what arrives, and whose alarms it shows."""
