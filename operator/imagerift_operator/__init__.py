"""The operator: reconciles GenerationJobs by sending work to Triton."""
