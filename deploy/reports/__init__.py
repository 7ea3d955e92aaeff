"""Reports that are handed to somebody else: HTML files with their pictures in them."""
