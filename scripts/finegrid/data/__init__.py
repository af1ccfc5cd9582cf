"""From a user's files, the hub's mirror or a package to the token arrays that a cell reads."""
