"""The measures: one file for each; none knows an adapter by its name."""
