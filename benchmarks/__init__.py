"""What we job about speed and size, reproducible: `make benchmark`."""
