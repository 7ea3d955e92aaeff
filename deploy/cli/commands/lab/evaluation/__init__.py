"""Commands that measure, one file for each subject."""
