"""Files of many formats -> texts to translate, and back with everything else of the file kept. Knows no HTTP."""
