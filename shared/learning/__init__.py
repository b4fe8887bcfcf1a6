"""What a user's exchanges say about the user: statements, and the memories that are made from them."""
