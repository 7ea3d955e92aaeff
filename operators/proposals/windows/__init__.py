"""Windows that follow no thing in the picture: where they lie is the same in every frame of one shape."""
