"""What learns: data sets, splits, training, evaluation and its plots."""
