"""Work of other processes that the process of a follower commits: it alone holds the lake's lease."""
