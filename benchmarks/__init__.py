"""Measurements of cost beside named peers; how to run them is in README.md."""
