CREATE TABLE lines (product_id TEXT REFERENCES products (id));
