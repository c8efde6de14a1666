"""What a call costs: bounds and estimates before it, one record after it, sums and telemetry."""
