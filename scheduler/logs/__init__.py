"""Output of workers: asked of their agents piece by piece, made readable, with secrets masked."""
