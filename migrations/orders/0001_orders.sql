-- +goose Up

-- What somebody is about to buy. A cart without a user belongs to whoever
-- knows its id.
CREATE TABLE carts (
    id         TEXT   PRIMARY KEY,
    user_id    TEXT   NOT NULL DEFAULT '',
    currency   TEXT   NOT NULL,
    order_id   TEXT   NOT NULL DEFAULT '', -- the order it became; '' while it is open
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX carts_expired ON carts (expires_at);
CREATE INDEX carts_of_user ON carts (user_id) WHERE user_id <> '';

-- Product, title and price are those of when the line was last changed: shown
-- while the variant is not for sale, and never charged.
CREATE TABLE cart_items (
    cart_id    TEXT   NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    sku        TEXT   NOT NULL,
    quantity   BIGINT NOT NULL CHECK (quantity > 0),
    product_id TEXT   NOT NULL,
    title      TEXT   NOT NULL,
    price      BIGINT NOT NULL,
    currency   TEXT   NOT NULL,
    added_at   BIGINT NOT NULL,
    PRIMARY KEY (cart_id, sku)
);

-- All that ever happened to orders. Nothing is changed or deleted here, and no
-- personal data is kept here.
CREATE TABLE order_events (
    order_id TEXT   NOT NULL,
    sequence BIGINT NOT NULL, -- from 1, without gaps
    type     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    data     TEXT   NOT NULL, -- JSON
    PRIMARY KEY (order_id, sequence)
);

-- What the events of each order come to; made anew from them by
-- `stoa orders rebuild`. Amounts are minor units of currency.
CREATE TABLE orders (
    id              TEXT   PRIMARY KEY,
    number          TEXT   NOT NULL UNIQUE,
    user_id         TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    currency        TEXT   NOT NULL,
    items           TEXT   NOT NULL, -- JSON
    subtotal        BIGINT NOT NULL,
    shipping_total  BIGINT NOT NULL,
    tax_total       BIGINT NOT NULL,
    discount_total  BIGINT NOT NULL,
    total           BIGINT NOT NULL,
    stock           TEXT   NOT NULL, -- none, reserved, committed, released
    payment_status  TEXT   NOT NULL,
    captured        BIGINT NOT NULL,
    refunded        BIGINT NOT NULL,
    refund_ids      TEXT   NOT NULL, -- JSON
    failure_code    TEXT   NOT NULL,
    failure_message TEXT   NOT NULL,
    placed_at       BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    version         BIGINT NOT NULL  -- the sequence of the last event
);
CREATE INDEX orders_by_time ON orders (placed_at, id);
CREATE INDEX orders_by_status ON orders (status, placed_at, id);
CREATE INDEX orders_by_user ON orders (user_id, placed_at, id);

-- Where orders go: apart from them, because it must be erasable.
CREATE TABLE shipping_addresses (
    order_id TEXT PRIMARY KEY,
    user_id  TEXT NOT NULL,
    address  TEXT NOT NULL -- JSON
);
CREATE INDEX shipping_addresses_of_user ON shipping_addresses (user_id);

-- Users who were deleted: what they order while their last access token runs
-- out leaves no address behind.
CREATE TABLE erased_users (
    user_id   TEXT   PRIMARY KEY,
    erased_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE erased_users;
DROP TABLE shipping_addresses;
DROP TABLE orders;
DROP TABLE order_events;
DROP TABLE cart_items;
DROP TABLE carts;
