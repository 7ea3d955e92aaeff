"""The video of feeds: packets of the last days, as fragmented MP4 in files beside the lake."""
