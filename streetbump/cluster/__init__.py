"""Jolts, passes and obstacles of many trips → clusters and places."""
