"""What the console's pages read, one file per page: few queries, the same number for 10 rows and for 10,000."""
