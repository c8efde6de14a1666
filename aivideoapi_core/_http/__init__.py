"""The network: where to and with which key, connections, retries, and the clients of both colours."""
