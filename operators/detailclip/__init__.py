"""DetailCLIP: one vector that holds the details of a whole frame, fused from the windows of Complete Cover."""
