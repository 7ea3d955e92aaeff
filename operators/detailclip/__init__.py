"""DetailCLIP: one vector with the details of a whole frame, fused from the windows of Complete Cover."""
