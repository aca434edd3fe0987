CREATE TABLE lines (product_id TEXT);
