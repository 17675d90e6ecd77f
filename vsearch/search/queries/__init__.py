"""What can be asked with."""
