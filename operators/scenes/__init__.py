"""Fully annotated pictures made of real objects, so that search for small things can be measured without doubt."""
