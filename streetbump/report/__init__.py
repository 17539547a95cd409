"""Evidence → tables, explanations and exports."""
