"""How stories are declared, prepared and run. Private: everything here may change from one release to the next."""
