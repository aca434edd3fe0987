-- +goose Up

-- Files that are being imported or have been. What was done and how far it got
-- are one transaction, so an import that was cut short goes on exactly there.
CREATE TABLE imports (
    id               TEXT COLLATE "C" PRIMARY KEY, -- UUIDv7
    status           TEXT COLLATE "C" NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed')),
    format           TEXT    NOT NULL,
    mode             TEXT    NOT NULL,
    currency         TEXT    NOT NULL,
    dry_run          BOOLEAN NOT NULL,
    rows_total       BIGINT  NOT NULL,
    rows_done        BIGINT  NOT NULL,
    rows_skipped     BIGINT  NOT NULL,
    products_done    BIGINT  NOT NULL, -- how many of the file's products are behind it
    products_created BIGINT  NOT NULL,
    products_updated BIGINT  NOT NULL,
    products_same    BIGINT  NOT NULL,
    errors_total     BIGINT  NOT NULL,
    failure          TEXT    NOT NULL, -- why it failed, for people
    lease            TEXT COLLATE "C" NOT NULL, -- who is at it, until leased_until
    leased_until     BIGINT,
    created_at       BIGINT  NOT NULL,
    started_at       BIGINT,
    finished_at      BIGINT
);
CREATE INDEX imports_open ON imports (id) WHERE status IN ('queued', 'running');

CREATE TABLE import_errors (
    import_id   TEXT COLLATE "C" NOT NULL REFERENCES imports (id),
    position    BIGINT NOT NULL,
    row_number  BIGINT NOT NULL,
    column_name TEXT   NOT NULL,
    message     TEXT   NOT NULL,
    PRIMARY KEY (import_id, position)
);

-- The files of imports that are open, in pieces, so that any instance can go on
-- with any of them.
CREATE TABLE import_chunks (
    import_id TEXT COLLATE "C" NOT NULL, -- which may not be there yet
    position  BIGINT NOT NULL,
    chunk     BYTEA  NOT NULL,
    PRIMARY KEY (import_id, position)
);
ALTER TABLE import_chunks ALTER COLUMN chunk SET STORAGE EXTERNAL; -- it is not for long

-- +goose Down
DROP TABLE import_chunks;
DROP TABLE import_errors;
DROP TABLE imports;
