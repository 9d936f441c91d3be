"""The dialects of browser extensions and of other small clients, one file each."""
