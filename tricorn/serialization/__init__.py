"""Objects to plain data and back, and the names that the data may use."""
