-- +goose Up

-- The words of products, by product number. It holds no text of its own.
CREATE VIRTUAL TABLE product_search USING fts5 (
    title, sku, vendor, tags, description,
    content = '', contentless_delete = 1, prefix = '2',
    tokenize = 'unicode61 remove_diacritics 2'
);

-- The words of their titles alone: to look for them in product_search would cost
-- as much as all that has them anywhere.
CREATE VIRTUAL TABLE title_search USING fts5 (
    title,
    content = '', contentless_delete = 1, prefix = '2',
    tokenize = 'unicode61 remove_diacritics 2'
);

-- +goose Down
DROP TABLE title_search;
DROP TABLE product_search;
