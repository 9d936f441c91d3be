"""LibreTranslate's dialect: its routes and the models of their requests and answers."""
