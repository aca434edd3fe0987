-- +goose Up

-- The words of products, as the store folds them: this server's own
-- configurations of text search would find other words than SQLite does. Title
-- holds those of the title, words all.
CREATE TABLE product_search (
    product BIGINT   PRIMARY KEY,
    title   TSVECTOR NOT NULL,
    words   TSVECTOR NOT NULL
);
CREATE INDEX product_search_title ON product_search USING GIN (title);
CREATE INDEX product_search_words ON product_search USING GIN (words);

-- +goose Down
DROP TABLE product_search;
