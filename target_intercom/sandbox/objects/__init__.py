"""The objects of a workspace: what each holds, and what its bodies may ask for."""
