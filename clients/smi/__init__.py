"""moreh-smi: show and change the accelerators of a VM's token."""
