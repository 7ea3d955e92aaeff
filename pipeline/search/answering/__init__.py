"""The steps from a query that has its vectors to the frames of its answer; `pipeline.search.searcher` takes them."""
