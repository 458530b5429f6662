"""What the page shows, one module a view; `page.py` chooses between them."""
