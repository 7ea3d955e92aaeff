"""An index of regions beside the columns that are kept on disk: almost exact answers for lakes beyond memory."""
