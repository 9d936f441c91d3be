"""Files for the browser: the page of the API description and what it needs. No code."""
