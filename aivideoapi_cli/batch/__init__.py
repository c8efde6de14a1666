"""``aivideoapi batch``: one call for each row of a file, each row paid for once."""
