"""What people look at: generated dashboards, Prometheus rules, the page, the report."""
