"""What the documents are made of: tables, definitions and pictures that are told from the code."""
