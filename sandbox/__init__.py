"""A GitHub look-alike over local git repositories: the product and its tests work with no network."""
