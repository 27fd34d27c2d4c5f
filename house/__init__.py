"""What the noxfile and the workflows share: which packages there are, how they are built, released and rehearsed."""
