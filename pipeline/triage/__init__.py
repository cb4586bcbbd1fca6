"""What runs every night: scoring in batches, ranking in context, one case per customer, the list and its manifest."""
