"""What comes in: files and requests become canonical records; what cannot be used is rejected with a reason."""
