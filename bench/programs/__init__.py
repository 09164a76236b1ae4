"""What the adapters run: masters and workers, none of which knows that it is measured."""
