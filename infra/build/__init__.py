"""What is made before a release: the functions' artifacts, the page, the table of tokens, and the audit of packages."""
