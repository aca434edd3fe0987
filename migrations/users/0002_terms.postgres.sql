-- +goose Up

-- Terms are looked for by their beginnings, which are ranges of bytes, however
-- the database sorts otherwise.
ALTER TABLE user_terms ALTER COLUMN term TYPE TEXT COLLATE "C";

-- +goose Down
ALTER TABLE user_terms ALTER COLUMN term TYPE TEXT;
