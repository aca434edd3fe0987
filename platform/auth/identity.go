package auth

import (
	"context"
	"slices"
)

// The roles an account can have.
const (
	RoleCustomer = "customer" // everyone: an account of one's own, carts and orders
	RoleStaff    = "staff"    // catalog and orders
	RoleAdmin    = "admin"    // all that anyone may do
)

// Identity is who a request comes from, as a verified token says.
type Identity struct {
	// UserID is the account.
	UserID string
	// SessionID is the sign-in the token descends from: revoking it ends every
	// token of that sign-in.
	SessionID string
	// Roles are those the account had when the token was issued.
	Roles []string
}

// Has reports whether the identity may act in a role: an admin may in every
// one, and everyone who is known is a customer.
func (i Identity) Has(role string) bool {
	if i.UserID == "" {
		return false
	}
	return role == RoleCustomer || slices.Contains(i.Roles, role) || slices.Contains(i.Roles, RoleAdmin)
}

type contextKey struct{}

// With gives a context that carries who the request comes from.
func With(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// From gives who the request comes from, and false where nobody has signed in.
func From(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(contextKey{}).(Identity)
	return id, ok
}
