"""How times and days look where Django writes them by itself: the same in every language."""
