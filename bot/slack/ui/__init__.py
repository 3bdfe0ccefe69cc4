"""What people see and what they wrote; pure."""
