"""What is true: rules of aggregates, with nothing around them."""
