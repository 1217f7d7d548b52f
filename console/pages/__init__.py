"""The console's own pages, one file each; lists and forms of single nouns are the admins of their apps."""
