"""Each format turns text into records and back, knows no Django, and says on which line what is wrong."""
