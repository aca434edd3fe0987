// Package rest is the catalog's part of the HTTP API. The module's wiring
// imports it. It holds no rule: it says what is asked for and who may ask, and
// leaves the rest to the service.
package rest

import (
	"context"
	"net/url"

	"stoa/modules/catalog/internal/service"
	"stoa/platform/auth"
	"stoa/platform/errs"
	"stoa/platform/web"
)

// routes are the operations on one service, which is nil where only the
// documents are made.
type routes struct {
	service *service.Service
	router  *web.Router
}

// Register adds the operations of the catalog module.
func Register(r *web.Router, s *service.Service) {
	h := routes{s, r}
	h.registerProducts()
	h.registerVariants()
	h.registerCategories()
	h.registerInventory()
	registerImports(r, s)
	registerExport(r, s)
}

// staff tells whether who asks sees what is not for customers.
func staff(ctx context.Context) bool {
	id, _ := auth.From(ctx)
	return id.Has(auth.RoleStaff)
}

// location gives the address of something that was made. Its parts may be
// anything.
func location(parts ...string) string {
	at := web.Base
	for _, part := range parts {
		at += "/" + url.PathEscape(part)
	}
	return at
}

// kept gives a field of a merge patch that may be left out but not be removed.
func kept[T any](field string, o web.Optional[T]) (*T, error) {
	switch {
	case o.Null:
		return nil, errs.ErrInvalid.Field("body."+field, "must not be null")
	case o.Set:
		return &o.Value, nil
	}
	return nil, nil
}

// removable gives a field of a merge patch that is empty once it is removed.
func removable[T any](o web.Optional[T]) *T {
	if !o.Set {
		return nil
	}
	return &o.Value // the zero value where it was null
}
