"""Bytes → trips: one module per logger format, sniffing, repair, and the door."""
