"""The same verifiers in the shapes that other trainers expect."""
