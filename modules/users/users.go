// Package users is the contract of the users module: who the customers and the
// staff of the shop are, how they sign in, and where they live.
//
// Owns accounts, sessions and addresses. Needs no other module. Publishes
// Deleted. Neighbours import this package and nothing else of the module; it
// drags no implementation in.
package users

import (
	"context"
	"time"
)

// Name is the module's name: in configuration, in the directory and in codes of errors.
const Name = "users"

// Service is what neighbours may ask of users.
type Service interface {
	// GetUsers gives the users with these ids, in any order. Ids that are not
	// known, or whose user was deleted, are left out.
	GetUsers(ctx context.Context, r GetUsersRequest) ([]User, error)

	// GetAddress gives one address of a user.
	// Errors: ErrAddressNotFound, also where it belongs to somebody else.
	GetAddress(ctx context.Context, r GetAddressRequest) (Address, error)
}

// GetUsersRequest asks for users by id, at most 200 at once.
type GetUsersRequest struct {
	IDs []string `json:"ids"`
}

// GetAddressRequest asks for one address of one user.
type GetAddressRequest struct {
	UserID    string `json:"user_id"`
	AddressID string `json:"address_id"`
}

// User is an account.
type User struct {
	ID        string    `json:"id" format:"uuid" doc:"UUIDv7"`
	Email     string    `json:"email" format:"email"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles" doc:"customer (everyone), staff (catalog and orders), admin (all)"`
	Status    string    `json:"status" enum:"active,disabled"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// What a user may do, and whether.
const (
	RoleCustomer = "customer"
	RoleStaff    = "staff"
	RoleAdmin    = "admin"

	StatusActive   = "active"
	StatusDisabled = "disabled"
)

// Address is where something can be sent to.
type Address struct {
	ID         string `json:"id" format:"uuid"`
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	City       string `json:"city"`
	Region     string `json:"region"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country" doc:"ISO 3166-1 alpha-2"`
	Phone      string `json:"phone"`
	IsDefault  bool   `json:"is_default"`
}
