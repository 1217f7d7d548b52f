"""Live pages: a stream tells a page which topics have changed, and the page requests only these parts again."""
