package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"stoa/modules/users"
	"stoa/platform/db"
)

const addressColumns = `id, name, line1, line2, city, region, postal_code, country, phone, is_default`

var (
	insertAddress = db.NewStatement(`INSERT INTO addresses (user_id, ` + addressColumns + `)
		SELECT id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM users
		WHERE id = $1 AND (SELECT COUNT(*) FROM addresses WHERE user_id = $1) < $12`)
	updateAddress = db.NewStatement(`UPDATE addresses SET name = $3, line1 = $4, line2 = $5, city = $6, region = $7,
		postal_code = $8, country = $9, phone = $10, is_default = $11 WHERE user_id = $1 AND id = $2`)
	deleteAddress = db.NewStatement(`DELETE FROM addresses WHERE user_id = $1 AND id = $2`)
	addressByID   = db.NewStatement(`SELECT ` + addressColumns + ` FROM addresses WHERE user_id = $1 AND id = $2`)
	listAddresses = db.NewStatement(`SELECT ` + addressColumns + ` FROM addresses WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3`)
	clearDefault  = db.NewStatement(`UPDATE addresses SET is_default = FALSE WHERE user_id = $1 AND is_default`)
)

func scanAddress(row interface{ Scan(dest ...any) error }) (a users.Address, err error) {
	err = row.Scan(&a.ID, &a.Name, &a.Line1, &a.Line2, &a.City, &a.Region, &a.PostalCode, &a.Country, &a.Phone, &a.IsDefault)
	return a, err
}

// InsertAddress adds an address of a user who has fewer than limit; else, and
// where the user is gone, it reports false.
func InsertAddress(ctx context.Context, tx *db.Tx, userID string, a users.Address, limit int) (bool, error) {
	if err := HoldUser(ctx, tx, userID); err != nil {
		return false, err
	}
	if err := keepOneDefault(ctx, tx, userID, a); err != nil {
		return false, err
	}
	n, err := db.Affected(insertAddress.Exec(ctx, tx, userID, a.ID, a.Name, a.Line1, a.Line2, a.City, a.Region, a.PostalCode, a.Country, a.Phone, a.IsDefault, limit))
	if err != nil {
		return false, fmt.Errorf("insert address: %w", err)
	}
	return n == 1, nil
}

// UpdateAddress replaces an address of a user. Errors: users.ErrAddressNotFound.
func UpdateAddress(ctx context.Context, tx *db.Tx, userID string, a users.Address) error {
	if err := HoldUser(ctx, tx, userID); err != nil {
		return err
	}
	if err := keepOneDefault(ctx, tx, userID, a); err != nil {
		return err
	}
	return found(db.Affected(updateAddress.Exec(ctx, tx, userID, a.ID, a.Name, a.Line1, a.Line2, a.City, a.Region, a.PostalCode, a.Country, a.Phone, a.IsDefault)))
}

// keepOneDefault makes room for a new default address.
func keepOneDefault(ctx context.Context, tx *db.Tx, userID string, a users.Address) error {
	if !a.IsDefault {
		return nil
	}
	if _, err := clearDefault.Exec(ctx, tx, userID); err != nil {
		return fmt.Errorf("clear default address: %w", err)
	}
	return nil
}

// DeleteAddress removes an address of a user. Errors: users.ErrAddressNotFound.
func DeleteAddress(ctx context.Context, tx *db.Tx, userID, id string) error {
	return found(db.Affected(deleteAddress.Exec(ctx, tx, userID, id)))
}

func found(n int64, err error) error {
	if err != nil {
		return fmt.Errorf("change address: %w", err)
	}
	if n == 0 {
		return users.ErrAddressNotFound
	}
	return nil
}

// AddressByID finds an address of a user. Errors: users.ErrAddressNotFound.
func AddressByID(ctx context.Context, c db.Conn, userID, id string) (users.Address, error) {
	a, err := scanAddress(addressByID.QueryRow(ctx, c, userID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return users.Address{}, users.ErrAddressNotFound
	}
	if err != nil {
		return users.Address{}, fmt.Errorf("read address: %w", err)
	}
	return a, nil
}

// ListAddresses gives a user's addresses, the oldest first, those after an id.
func ListAddresses(ctx context.Context, c db.Conn, userID, after string, limit int) (list []users.Address, err error) {
	rows, err := listAddresses.Query(ctx, c, userID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	list = []users.Address{}
	for rows.Next() {
		a, err := scanAddress(rows)
		if err != nil {
			return nil, fmt.Errorf("list addresses: %w", err)
		}
		list = append(list, a)
	}
	return list, rows.Err()
}
