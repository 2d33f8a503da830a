"""Objects as the JSON of answers."""
