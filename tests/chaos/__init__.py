"""Real services under a seeded random driver, and an oracle that judges each round."""
