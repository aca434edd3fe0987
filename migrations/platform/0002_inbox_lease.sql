-- +goose Up

-- Which process runs the handler of an event, until due_at. Empty where a
-- database has one process.
ALTER TABLE inbox ADD COLUMN lease TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE inbox DROP COLUMN lease;
