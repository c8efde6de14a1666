"""The metering of calls: bounds and estimates before a call, one record after it, sums and telemetry."""
