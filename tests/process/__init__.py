"""Real services: real forks, real signals, real pipes."""
