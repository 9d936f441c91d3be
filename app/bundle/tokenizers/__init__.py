"""Text to token ids and back, one kind of tokenizer a file."""
