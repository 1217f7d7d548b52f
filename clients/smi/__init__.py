"""What a person in a VM uses to look at and change accelerators."""
