"""Large bodies and documents, read beside the workers by a process that can do nothing else."""
