"""Coverage-guided fuzzing of everything that reads strangers' bytes (docs/fuzzing.md)."""
