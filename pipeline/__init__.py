"""What runs: feedback in, learning, triage, follow-up, the desk."""
