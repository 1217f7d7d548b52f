"""What the console's pages read, one file each; a fixed number of queries, however many rows there are."""
