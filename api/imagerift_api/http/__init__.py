"""What every feature answers by: operations, bodies, problems, headers."""
