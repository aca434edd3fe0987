-- +goose Up

-- Texts that are looked for or sorted by are compared byte by byte, whatever the
-- language of the server: paths and scopes are ranges of such an order.

-- A tree, at most 16 deep. A path is the slugs from the root, joined by "/";
-- that it is unique makes the slugs of siblings differ.
CREATE TABLE categories (
    number     BIGINT PRIMARY KEY,
    id         TEXT COLLATE "C" NOT NULL UNIQUE, -- UUIDv7
    parent     BIGINT REFERENCES categories (number),
    slug       TEXT COLLATE "C" NOT NULL,
    name       TEXT    NOT NULL,
    path       TEXT COLLATE "C" NOT NULL UNIQUE,
    depth      BIGINT  NOT NULL,        -- 1 at the root
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);
CREATE INDEX categories_parent ON categories (parent);
CREATE INDEX categories_slug ON categories (slug);

-- Products. They are archived, never deleted, so a number is never given twice.
CREATE TABLE products (
    number       BIGINT PRIMARY KEY,
    id           TEXT COLLATE "C" NOT NULL UNIQUE, -- UUIDv7
    slug         TEXT COLLATE "C" NOT NULL UNIQUE,
    title        TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    status       TEXT COLLATE "C" NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    vendor       TEXT    NOT NULL,
    product_type TEXT    NOT NULL,
    tags         TEXT    NOT NULL,        -- JSON
    images       TEXT    NOT NULL,        -- JSON
    options      TEXT    NOT NULL,        -- JSON
    version      BIGINT  NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL
);

CREATE TABLE product_categories (
    product  BIGINT NOT NULL REFERENCES products (number),
    category BIGINT NOT NULL REFERENCES categories (number),
    position BIGINT  NOT NULL, -- in the order in which the product names them
    PRIMARY KEY (product, category)
);
CREATE INDEX product_categories_category ON product_categories (category);

CREATE TABLE variants (
    product          BIGINT NOT NULL REFERENCES products (number),
    sku              TEXT COLLATE "C" NOT NULL UNIQUE,
    id               TEXT COLLATE "C" NOT NULL, -- UUIDv7
    position         BIGINT  NOT NULL,
    title            TEXT    NOT NULL,
    options          TEXT    NOT NULL, -- JSON
    price            BIGINT  NOT NULL CHECK (price >= 0),
    currency         TEXT COLLATE "C" NOT NULL,
    compare_at_price BIGINT  CHECK (compare_at_price >= 0),
    barcode          TEXT    NOT NULL,
    weight_grams     BIGINT  NOT NULL,
    PRIMARY KEY (product, sku)
);

-- How many there are. A row outlives its variant, whose orders may still give
-- back what they took; it has a product as long as it has a variant.
CREATE TABLE stock (
    sku      TEXT COLLATE "C" PRIMARY KEY,
    product  BIGINT REFERENCES products (number),
    on_hand  BIGINT NOT NULL CHECK (on_hand BETWEEN 0 AND 1000000000000),
    reserved BIGINT NOT NULL CHECK (reserved BETWEEN 0 AND on_hand)
);

-- The ledger: the sum of a SKU's quantities is what is on hand.
CREATE TABLE movements (
    sku      TEXT COLLATE "C" NOT NULL REFERENCES stock (sku),
    id       TEXT COLLATE "C" NOT NULL, -- UUIDv7
    kind     TEXT COLLATE "C" NOT NULL CHECK (kind IN ('adjustment', 'import', 'sale', 'return')),
    quantity BIGINT NOT NULL CHECK (quantity <> 0),
    order_id TEXT COLLATE "C" NOT NULL DEFAULT '',
    reason   TEXT   NOT NULL DEFAULT '',
    at       BIGINT NOT NULL,
    PRIMARY KEY (sku, id)
);

-- What orders hold. What is reserved of a SKU is the sum over those held. A
-- closed one stays, so that a call that comes late finds it closed.
CREATE TABLE reservations (
    order_id   TEXT COLLATE "C" PRIMARY KEY,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('held', 'expired', 'committed', 'released')),
    items      TEXT    NOT NULL, -- JSON
    returned   BOOLEAN NOT NULL, -- it was committed before it was released
    expires_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);
CREATE INDEX reservations_due ON reservations (expires_at) WHERE state = 'held';

-- What lists are made from: a row for each product and each scope it is listed
-- in, with all that a list sorts by. So a list of all products or those of a
-- category, in any order, is the beginning of an index, however many there are.
-- The scopes:
--   ''             all products
--   c<number>      those in a category or below it
--   t<tag>         those with a tag, folded
--   v<vendor>      those of a vendor, folded
--   s              those of which something is available
-- Numbers are given in the order in which products are made, so the primary key
-- is the order by age.
CREATE TABLE listings (
    scope    TEXT COLLATE "C" NOT NULL,
    status   TEXT COLLATE "C" NOT NULL,
    product  BIGINT NOT NULL,
    price    BIGINT  NOT NULL, -- the lowest of its variants; without any, above all prices
    highest  BIGINT  NOT NULL,
    currency TEXT COLLATE "C" NOT NULL, -- of its prices; '' where they are in several
    title    TEXT COLLATE "C" NOT NULL, -- folded
    PRIMARY KEY (scope, status, product)
);
CREATE INDEX listings_price ON listings (scope, status, price, product, highest, currency) WHERE scope < 's';
CREATE INDEX listings_title ON listings (scope, status, title, product) WHERE scope < 's';

-- +goose Down
DROP TABLE listings;
DROP TABLE reservations;
DROP TABLE movements;
DROP TABLE stock;
DROP TABLE variants;
DROP TABLE product_categories;
DROP TABLE products;
DROP TABLE categories;
