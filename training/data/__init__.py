"""From corpus files to token ids: download, clean, filter, prepare, batch."""
