"""``python -m aivideoapi_cli``: the same as the ``aivideoapi`` command."""

from aivideoapi_cli import main

main()
