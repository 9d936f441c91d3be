"""One file a format: which parts of a document are text, and how translations are written back."""
