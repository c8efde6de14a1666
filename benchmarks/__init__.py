"""What the adapters cost, beside the peers, the frameworks' own floor and raw httpx: ``python -m benchmarks``."""
