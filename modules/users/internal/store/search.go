package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"stoa/modules/users"
	"stoa/platform/db"
)

// term is a row of user_terms.
type term struct {
	bun.BaseModel `bun:"table:user_terms"`

	Term   string
	UserID string
}

var deleteTerms = db.NewStatement(`DELETE FROM user_terms WHERE user_id = $1`)

// ReplaceTerms makes an account searchable by these terms only.
func ReplaceTerms(ctx context.Context, tx *db.Tx, id string, terms []string) error {
	if _, err := deleteTerms.Exec(ctx, tx, id); err != nil {
		return fmt.Errorf("delete terms: %w", err)
	}
	return insertTerms(ctx, tx, id, terms)
}

func insertTerms(ctx context.Context, tx *db.Tx, id string, terms []string) error {
	if len(terms) == 0 {
		return nil
	}
	rows := make([]term, len(terms))
	for i, t := range terms {
		rows[i] = term{Term: t, UserID: id}
	}
	if _, err := tx.NewInsert().Model(&rows).Exec(ctx); err != nil {
		return fmt.Errorf("insert terms: %w", err)
	}
	return nil
}

// Filter says which accounts are looked for; empty fields let all through.
type Filter struct {
	Terms  []string // each is the beginning of a term of the account
	Role   string
	Status string
	Before string // only accounts whose id is smaller
	Limit  int64
}

// afterAll sorts after every term that has a given beginning.
const afterAll = "\U0010ffff"

// ListUsers finds accounts, the newest first.
func ListUsers(ctx context.Context, c db.Conn, f Filter) ([]User, error) {
	list := []User{}
	q := c.NewSelect().Model(&list).OrderExpr("id DESC").Limit(f.Limit)
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	switch f.Role {
	case users.RoleStaff:
		q.Where("is_staff")
	case users.RoleAdmin:
		q.Where("is_admin")
	}
	if f.Status != "" {
		q.Where("status = ?", f.Status)
	}
	for _, t := range f.Terms {
		q.Where("id IN (SELECT user_id FROM user_terms WHERE term >= ? AND term < ?)", t, t+afterAll)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return list, nil
}
