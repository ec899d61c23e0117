"""What exists only so that numpy is quick; nothing here decides what a model means."""
