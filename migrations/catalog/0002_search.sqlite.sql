-- +goose Up

-- The words of products, by product number. It holds no text of its own.
CREATE VIRTUAL TABLE product_search USING fts5 (
    title, sku, vendor, tags, description,
    content = '', contentless_delete = 1, prefix = '2',
    tokenize = 'unicode61 remove_diacritics 2'
);
-- A search looks into every segment of the index, so it is kept in few.
INSERT INTO product_search (product_search, rank) VALUES ('automerge', 2);

-- +goose Down
DROP TABLE product_search;
