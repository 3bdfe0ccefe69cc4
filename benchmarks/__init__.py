"""What we claim about speed and size, reproducible: `make benchmark`."""
