"""How fast a message goes through all of it, beside the least that any answer needs and beside a common agent."""
