"""The schema, from the book's on."""
