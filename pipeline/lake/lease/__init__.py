"""The writer's lease: who may write a lake, under which number, and how an earlier writer is kept out."""
