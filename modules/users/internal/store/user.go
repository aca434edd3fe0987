package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"stoa/modules/users"
	"stoa/platform/db"
)

// User is a row of users.
type User struct {
	bun.BaseModel `bun:"table:users"`

	ID           string `bun:",pk"`
	Email        string // as it was given
	EmailKey     string // folded
	Name         string
	PasswordHash string
	IsStaff      bool
	IsAdmin      bool
	Status       string
	Epoch        int64
	Version      int64
	CreatedAt    db.Time
	UpdatedAt    db.Time
}

// Contract gives the user as the contract has it.
func (u *User) Contract() users.User {
	return users.User{
		ID: u.ID, Email: u.Email, Name: u.Name, Roles: u.Roles(), Status: u.Status,
		CreatedAt: u.CreatedAt.Time, UpdatedAt: u.UpdatedAt.Time,
	}
}

// Roles gives the user's roles, the least first.
func (u *User) Roles() []string {
	roles := []string{users.RoleCustomer}
	if u.IsStaff {
		roles = append(roles, users.RoleStaff)
	}
	if u.IsAdmin {
		roles = append(roles, users.RoleAdmin)
	}
	return roles
}

const userColumns = `id, email, email_key, name, password_hash, is_staff, is_admin, status, epoch, version, created_at, updated_at`

func (u *User) scan(row interface{ Scan(dest ...any) error }) error {
	return row.Scan(&u.ID, &u.Email, &u.EmailKey, &u.Name, &u.PasswordHash, &u.IsStaff, &u.IsAdmin, &u.Status,
		&u.Epoch, &u.Version, &u.CreatedAt, &u.UpdatedAt)
}

var (
	insertUser = db.NewStatement(`INSERT INTO users (` + userColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`)
	userByID   = db.NewStatement(`SELECT ` + userColumns + ` FROM users WHERE id = $1`)
	userByKey  = db.NewStatement(`SELECT ` + userColumns + ` FROM users WHERE email_key = $1`)
	// An update that changes nothing holds the row until the transaction ends, on
	// every database, also against who knows nothing of HoldUser.
	lockUser   = db.NewStatement(`UPDATE users SET version = version WHERE id = $1 RETURNING ` + userColumns)
	updateUser = db.NewStatement(`UPDATE users SET name = $2, is_staff = $3, is_admin = $4, status = $5, epoch = $6, version = $7, updated_at = $8 WHERE id = $1`)
	deleteUser = db.NewStatement(`DELETE FROM users WHERE id = $1`)
	// Only where the hash is still the one that was verified.
	setPassword = db.NewStatement(`UPDATE users SET password_hash = $3, epoch = epoch + $4 WHERE id = $1 AND password_hash = $2`)

	guardAdmins = db.NewStatement(`UPDATE admin_guard SET changes = changes + 1 WHERE id = 1`)
	otherAdmin  = db.NewStatement(`SELECT COUNT(*) FROM (SELECT id FROM users WHERE is_admin AND status = 'active' AND id <> $1 LIMIT 1) AS others`)
)

// InsertUser adds an account, searchable by terms. Errors: one that db.IsUnique
// recognises where the e-mail address is taken.
func InsertUser(ctx context.Context, tx *db.Tx, u *User, terms []string) error {
	_, err := insertUser.Exec(ctx, tx, u.ID, u.Email, u.EmailKey, u.Name, u.PasswordHash, u.IsStaff, u.IsAdmin, u.Status,
		u.Epoch, u.Version, u.CreatedAt, u.UpdatedAt)
	if err != nil {
		return fmt.Errorf("insert user: %w", err)
	}
	return insertTerms(ctx, tx, u.ID, terms)
}

// UserByID finds an account. Errors: users.ErrUserNotFound.
func UserByID(ctx context.Context, c db.Conn, id string) (*User, error) {
	return one(userByID.QueryRow(ctx, c, id))
}

// UserByEmail finds an account by its folded e-mail address. Errors: users.ErrUserNotFound.
func UserByEmail(ctx context.Context, c db.Conn, key string) (*User, error) {
	return one(userByKey.QueryRow(ctx, c, key))
}

// HoldUser keeps others from changing an account, or anything that belongs to
// it, until the transaction ends: what is decided by what it reads after this
// stays right.
func HoldUser(ctx context.Context, tx *db.Tx, id string) error {
	return tx.Lock(ctx, "user/"+id)
}

// LockUser finds an account that nobody else changes until the transaction
// ends. Errors: users.ErrUserNotFound.
func LockUser(ctx context.Context, tx *db.Tx, id string) (*User, error) {
	if err := HoldUser(ctx, tx, id); err != nil {
		return nil, err
	}
	return one(lockUser.QueryRow(ctx, tx, id))
}

func one(row db.Row) (*User, error) {
	u := new(User)
	if err := u.scan(row); errors.Is(err, sql.ErrNoRows) {
		return nil, users.ErrUserNotFound
	} else if err != nil {
		return nil, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}

// UsersByID finds accounts. Ids without one are left out.
func UsersByID(ctx context.Context, c db.Conn, ids []string) ([]User, error) {
	list := []User{}
	switch len(ids) {
	case 0:
		return list, nil
	case 1: // whom a letter goes to: the plan is kept
		u, err := UserByID(ctx, c, ids[0])
		if errors.Is(err, users.ErrUserNotFound) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		return append(list, *u), nil
	}
	if err := c.NewSelect().Model(&list).Where("id IN ?", bun.Tuple(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	return list, nil
}

// UpdateUser stores what an administrator or the user may change. The caller
// holds the row.
func UpdateUser(ctx context.Context, tx *db.Tx, u *User) error {
	if _, err := updateUser.Exec(ctx, tx, u.ID, u.Name, u.IsStaff, u.IsAdmin, u.Status, u.Epoch, u.Version, u.UpdatedAt); err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	return nil
}

// SetPassword replaces one hash by another and raises the epoch by so many; it
// reports false where the account is gone or has another hash by now.
func SetPassword(ctx context.Context, tx *db.Tx, id, from, to string, epochs int64) (bool, error) {
	n, err := db.Affected(setPassword.Exec(ctx, tx, id, from, to, epochs))
	if err != nil {
		return false, fmt.Errorf("set password: %w", err)
	}
	return n == 1, nil
}

// DeleteUser removes an account and all that belongs to it.
func DeleteUser(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := deleteUser.Exec(ctx, tx, id); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	return nil
}

// HasOtherAdmin tells whether there is an active administrator besides this
// user, and lets nobody else change that until the transaction ends.
func HasOtherAdmin(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	if _, err := guardAdmins.Exec(ctx, tx); err != nil {
		return false, fmt.Errorf("guard administrators: %w", err)
	}
	var n int
	if err := otherAdmin.QueryRow(ctx, tx, id).Scan(&n); err != nil {
		return false, fmt.Errorf("look for administrators: %w", err)
	}
	return n > 0, nil
}
