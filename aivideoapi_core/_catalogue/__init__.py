"""What the platform offers: routes, models, prices, and exact amounts of credits."""
