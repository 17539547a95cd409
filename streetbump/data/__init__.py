"""Files that ship with the package: released settings, the model's numbers, city profiles."""
