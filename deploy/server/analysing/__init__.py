"""SQL over what somebody sees of a lake."""
