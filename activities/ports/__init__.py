"""What the activities need of the world. Docstrings are the contract; adapters and fakes pass the same tests."""
