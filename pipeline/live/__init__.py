"""Live feeds: reads and supervises them, shares the models among them, and commits what they yield."""
