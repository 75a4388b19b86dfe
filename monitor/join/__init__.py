"""The exact, bounded, on-disk join of predictions and the labels that come later."""
