"""The HTTP edge, the same for both APIs: checks in the contract's order, problems, headers, paging, waiting."""
