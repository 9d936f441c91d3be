"""DeepL's dialect: its endpoints and the models of their requests and answers."""
