"""What is true of the data: clocks, boxes, frames, vectors, tables, ids, queries and errors."""
