"""One sync, top to bottom: map, match, plan, write, report."""
