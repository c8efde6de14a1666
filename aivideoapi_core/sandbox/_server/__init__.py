"""From a request to a reply to bytes: sockets, token counts, and the books of what was charged."""
