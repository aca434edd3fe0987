-- +goose Up

-- The money of an order. Amounts are minor units of the currency. What stands
-- here as an amount is a sum over the ledger, kept so that one conditional
-- update decides; the version is what it is conditional on.
CREATE TABLE payments (
    order_id   TEXT    PRIMARY KEY,
    id         TEXT    NOT NULL,                  -- UUIDv7
    currency   TEXT    NOT NULL,                  -- '': nothing was ever asked for, the order was cancelled before
    asked      BIGINT  NOT NULL CHECK (asked >= 0),
    status     TEXT    NOT NULL CHECK (status IN ('none', 'authorized', 'captured', 'voided', 'partially_refunded', 'refunded')),
    refusal    TEXT    NOT NULL,                  -- the code with which the provider refused; it stands
    closed     BOOLEAN NOT NULL,                  -- cancelled: takes no money any more
    authorized BIGINT  NOT NULL CHECK (authorized IN (0, asked)),
    captured   BIGINT  NOT NULL CHECK (captured IN (0, authorized)),
    voided     BIGINT  NOT NULL CHECK (voided IN (0, authorized)),
    refunding  BIGINT  NOT NULL CHECK (refunding >= 0 AND refunding <= captured), -- on its way back, outcome not known
    refunded   BIGINT  NOT NULL CHECK (refunded >= 0 AND refunded <= captured - refunding),
    attempts   BIGINT  NOT NULL,                  -- how many there were
    provider   TEXT    NOT NULL,
    reference  TEXT    NOT NULL,                  -- what the provider calls its authorisation
    settle_at  BIGINT,                            -- when somebody should look at what is left open; NULL: nothing is
    version    BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    CHECK (captured = 0 OR voided = 0)
);
CREATE INDEX payments_settle ON payments (settle_at) WHERE settle_at IS NOT NULL;

-- The calls to the provider: written before they are made, their outcome after.
CREATE TABLE attempts (
    order_id  TEXT   NOT NULL REFERENCES payments (order_id),
    number    BIGINT NOT NULL,                    -- from 1
    operation TEXT   NOT NULL CHECK (operation IN ('authorize', 'capture', 'void', 'refund')),
    refund_id TEXT   NOT NULL,                    -- '' where it is no refund
    outcome   TEXT   NOT NULL CHECK (outcome IN ('pending', 'succeeded', 'declined', 'failed')),
    code      TEXT   NOT NULL,                    -- why it did not succeed
    reference TEXT   NOT NULL,                    -- what the provider calls what it did
    at        BIGINT NOT NULL,
    PRIMARY KEY (order_id, number)
);

-- What was asked to go back. Several parts may, under an id of the caller's each.
CREATE TABLE refunds (
    id         TEXT   PRIMARY KEY,
    order_id   TEXT   NOT NULL REFERENCES payments (order_id),
    amount     BIGINT NOT NULL CHECK (amount > 0),
    reason     TEXT   NOT NULL,
    state      TEXT   NOT NULL CHECK (state IN ('pending', 'done', 'refused')),
    created_at BIGINT NOT NULL
);
CREATE INDEX refunds_order ON refunds (order_id, created_at, id);

-- Every movement of money, never changed. What is authorised goes from the
-- customer into a hold; captured, from the hold to the shop; voided, from the
-- hold back; refunded, from the shop back. The key lets each happen once.
CREATE TABLE ledger (
    order_id  TEXT   NOT NULL REFERENCES payments (order_id),
    kind      TEXT   NOT NULL CHECK (kind IN ('authorized', 'captured', 'voided', 'refunded')),
    refund_id TEXT   NOT NULL,
    amount    BIGINT NOT NULL CHECK (amount >= 0),
    at        BIGINT NOT NULL,
    PRIMARY KEY (order_id, kind, refund_id)
);

-- +goose Down
DROP TABLE ledger;
DROP TABLE refunds;
DROP TABLE attempts;
DROP TABLE payments;
