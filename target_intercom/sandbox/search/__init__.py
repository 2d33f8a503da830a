"""Search and lists: queries, the index that trails behind, pages."""
