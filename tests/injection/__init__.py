"""What members and administrators write reaches Postfix, logs and terminals as what it is, and as nothing else."""
