"""What people say of regions: their labels and verdicts, stored beside the rows, matched to what exports wrote."""
