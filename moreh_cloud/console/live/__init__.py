"""Live pages: what has changed is told to the pages that show it, and they ask again for just that part."""
