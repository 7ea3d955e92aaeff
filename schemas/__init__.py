"""The data model: clocks, boxes, frames, vectors, tables, ids, queries and errors."""
