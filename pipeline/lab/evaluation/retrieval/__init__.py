"""Every way of search measured on a data set: ingested, asked and judged as a user would."""
