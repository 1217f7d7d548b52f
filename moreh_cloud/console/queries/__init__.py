"""What the console's pages read, one file each."""
