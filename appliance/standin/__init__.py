"""Stand-ins for what lies outside the box (providers), for tests, benches and the demo. They check what arrives."""
