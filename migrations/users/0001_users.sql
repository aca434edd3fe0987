-- +goose Up

-- Accounts. Deleting one takes all that is known of the person with it.
CREATE TABLE users (
    id            TEXT    PRIMARY KEY,     -- UUIDv7
    email         TEXT    NOT NULL,        -- as it was given
    email_key     TEXT    NOT NULL UNIQUE, -- folded: what makes it unique
    name          TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,        -- argon2id, PHC string
    is_staff      BOOLEAN NOT NULL,
    is_admin      BOOLEAN NOT NULL,
    status        TEXT    NOT NULL CHECK (status IN ('active', 'disabled')),
    epoch         BIGINT  NOT NULL,        -- raised by every change that access tokens must not outlive
    version       BIGINT  NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL
);
CREATE INDEX users_staff ON users (id) WHERE is_staff;
CREATE INDEX users_admin ON users (id) WHERE is_admin;
CREATE INDEX users_disabled ON users (id) WHERE status = 'disabled';

-- The words of e-mail address and name, folded, for searching by their beginnings.
CREATE TABLE user_terms (
    term    TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (term, user_id)
);
CREATE INDEX user_terms_user ON user_terms (user_id);

-- Whoever may take the last admin away changes this row first, and so waits
-- for another who is about to do the same.
CREATE TABLE admin_guard (
    id      BIGINT PRIMARY KEY,
    changes BIGINT NOT NULL
);
INSERT INTO admin_guard (id, changes) VALUES (1, 0);

-- Sign-ins. A session is a family of refresh tokens, of which one is not spent.
-- One that ends is deleted, and stands in revocations while its access tokens live.
CREATE TABLE sessions (
    id         TEXT   PRIMARY KEY,
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    hash       TEXT   PRIMARY KEY, -- SHA-256, base64url: the token itself is nowhere
    session_id TEXT   NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    spent_at   BIGINT
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- What access tokens may no longer say before they expire: of a session (it
-- has ended) or of a user (tokens of an epoch below this one have ended, or act
-- with these roles). No foreign key: a revocation outlives what it is about.
CREATE TABLE revocations (
    session_id  TEXT   NOT NULL DEFAULT '',
    user_id     TEXT   NOT NULL DEFAULT '',
    epoch       BIGINT NOT NULL DEFAULT 0,
    roles       TEXT   NOT NULL DEFAULT '[]', -- JSON
    recorded_at BIGINT NOT NULL,              -- never before that of an earlier one
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (session_id, user_id, epoch)
);
CREATE INDEX revocations_recorded ON revocations (recorded_at);
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- Asked-for password resets that no mail has been sent for yet, whether there
-- is such an account or not: each request adds a row, and so takes the same time.
CREATE TABLE reset_requests (
    id        TEXT   PRIMARY KEY,
    email_key TEXT   NOT NULL,
    due_at    BIGINT NOT NULL, -- when somebody should look at it (again)
    attempts  BIGINT NOT NULL
);
CREATE INDEX reset_requests_email ON reset_requests (email_key);
CREATE INDEX reset_requests_due ON reset_requests (due_at);

CREATE TABLE reset_tokens (
    hash       TEXT   PRIMARY KEY, -- SHA-256, base64url
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX reset_tokens_user ON reset_tokens (user_id);
CREATE INDEX reset_tokens_expiry ON reset_tokens (expires_at);

CREATE TABLE addresses (
    id          TEXT    PRIMARY KEY,
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    line1       TEXT    NOT NULL,
    line2       TEXT    NOT NULL,
    city        TEXT    NOT NULL,
    region      TEXT    NOT NULL,
    postal_code TEXT    NOT NULL,
    country     TEXT    NOT NULL, -- ISO 3166-1 alpha-2
    phone       TEXT    NOT NULL,
    is_default  BOOLEAN NOT NULL
);
CREATE INDEX addresses_user ON addresses (user_id, id);
CREATE UNIQUE INDEX addresses_default ON addresses (user_id) WHERE is_default;

-- +goose Down
DROP TABLE addresses;
DROP TABLE reset_tokens;
DROP TABLE reset_requests;
DROP TABLE revocations;
DROP TABLE refresh_tokens;
DROP TABLE sessions;
DROP TABLE admin_guard;
DROP TABLE user_terms;
DROP TABLE users;
