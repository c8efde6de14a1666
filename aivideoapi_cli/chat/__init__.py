"""``aivideoapi chat``: one question, or a conversation in the terminal."""
