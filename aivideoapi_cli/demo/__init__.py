"""``aivideoapi demo``: an agent with tools, a query engine over files, and the bill of both."""
