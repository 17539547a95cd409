"""Claims about clustering."""
