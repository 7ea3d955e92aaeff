"""Fully annotated pictures, of real objects or of rendered shapes, so that search for small things can be measured."""
