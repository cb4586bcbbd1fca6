"""Cases and what became of them: the store (the only package that knows SQL)."""
