"""The lab trains, generates and measures; the product never imports it."""
