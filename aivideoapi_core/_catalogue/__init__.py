"""The platform's offer: routes, models, prices, and exact amounts of credits."""
