"""Files of strangers: what a pickle describes, made without running what is in it."""
