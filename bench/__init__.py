"""The benchmark suite: naruto, the physical limit and its peers, side by side in one run."""
