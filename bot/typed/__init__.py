"""What people type, as values; pure."""
