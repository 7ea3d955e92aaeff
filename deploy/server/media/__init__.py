"""Pictures and videos of the service: uploads, stills, close-ups and clips."""
