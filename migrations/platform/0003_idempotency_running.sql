-- +goose Up

-- Until when a request without an answer counts as running, unless the process
-- that runs it says so again. 0 where a database has one process.
ALTER TABLE idempotency_keys ADD COLUMN running_until BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE idempotency_keys DROP COLUMN running_until;
