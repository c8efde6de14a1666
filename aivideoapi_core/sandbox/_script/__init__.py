"""What a test asks for: replies and faults, by object or by header."""
