"""The steps by which the tables of a store came to be what they are; each is frozen once it has been released."""
