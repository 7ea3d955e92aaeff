"""Commands that measure: one file for each thing that is measured."""
