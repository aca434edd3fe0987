-- +goose Up

-- Events of this module, written in the transaction of the change. `position`
-- is the order in which the relay hands them to the bus.
CREATE TABLE outbox (
    position  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id  TEXT   NOT NULL UNIQUE,
    type      TEXT   NOT NULL,
    aggregate TEXT   NOT NULL,
    event     TEXT   NOT NULL, -- CloudEvents 1.0, JSON
    added_at  BIGINT NOT NULL,
    sent_at   BIGINT           -- when the bus had taken it
);
CREATE INDEX outbox_unsent ON outbox (position) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;

-- How many events each aggregate has had.
CREATE TABLE outbox_sequences (
    aggregate TEXT   PRIMARY KEY,
    last      BIGINT NOT NULL
);

-- Events of any module, once for each handler of this one.
CREATE TABLE inbox (
    position    BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    TEXT    NOT NULL,
    handler     TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    aggregate   TEXT    NOT NULL,
    sequence    BIGINT  NOT NULL,
    type        TEXT    NOT NULL,
    event       TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- pending, done, parked
    attempts    BIGINT  NOT NULL DEFAULT 0,
    due_at      BIGINT  NOT NULL,
    error       TEXT    NOT NULL DEFAULT '',
    received_at BIGINT  NOT NULL,
    done_at     BIGINT,
    UNIQUE (event_id, handler)
);
CREATE INDEX inbox_due ON inbox (due_at, position) WHERE state = 'pending';
CREATE INDEX inbox_open ON inbox (handler, source, aggregate, sequence) WHERE state <> 'done';
CREATE INDEX inbox_done ON inbox (done_at) WHERE state = 'done';

-- Work in several steps that must end, whatever process dies when.
CREATE TABLE sagas (
    kind        TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    state       TEXT   NOT NULL, -- running, undoing, done, undone, parked
    step        BIGINT NOT NULL, -- the first that is not known to be done
    data        TEXT   NOT NULL,
    error       TEXT   NOT NULL DEFAULT '', -- why it is being undone, JSON
    attempts    BIGINT NOT NULL DEFAULT 0,
    due_at      BIGINT NOT NULL, -- when somebody should look at it again
    deadline_at BIGINT NOT NULL,
    lease       TEXT   NOT NULL DEFAULT '', -- which runner has it, until due_at
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    PRIMARY KEY (kind, id)
);
CREATE INDEX sagas_due ON sagas (kind, due_at) WHERE ended_at IS NULL;
CREATE INDEX sagas_ended ON sagas (ended_at) WHERE ended_at IS NOT NULL;

-- What a caller's Idempotency-Key made, and the answer that was given.
CREATE TABLE idempotency_keys (
    caller      TEXT   NOT NULL,
    key         TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL,
    resource    TEXT   NOT NULL DEFAULT '',
    status      BIGINT NOT NULL DEFAULT 0,  -- 0 until there is an answer
    header      TEXT   NOT NULL DEFAULT '{}',
    body        BYTEA,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- +goose Down
DROP TABLE idempotency_keys;
DROP TABLE sagas;
DROP TABLE inbox;
DROP TABLE outbox_sequences;
DROP TABLE outbox;
