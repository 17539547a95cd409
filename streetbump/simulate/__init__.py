"""Streets, defects, cars and phones with known truth."""
