"""One script per published figure, each against a named peer in the same run; results in RESULTS.md."""
