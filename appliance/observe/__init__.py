"""What the appliance tells other systems of itself: an endpoint for Prometheus, and OpenTelemetry to a collector."""
