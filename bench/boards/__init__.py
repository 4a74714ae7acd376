"""The pictures of the dashboards and of a trace in the pages, from a real run."""
