"""The desk, where a person sees whom to call first and why, and the JSON API."""
