package service

import (
	"context"
	"log/slog"

	"stoa/modules/users"
	"stoa/modules/users/internal/password"
	"stoa/modules/users/internal/store"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/mail"
	"stoa/platform/outbox"
	"stoa/platform/ratelimit"
)

// Deps is what the service stands on. All are needed but Limits, without which
// nothing is limited.
type Deps struct {
	DB     *db.DB
	Outbox *outbox.Outbox
	Clock  clock.Clock
	Log    *slog.Logger
	Mail   mail.Sender
	Limits *ratelimit.Limits

	Auth     auth.Config
	Keys     *auth.Keys     // that sign access tokens
	Verifier *auth.Verifier // of this process, which hears of revocations at once

	// Config is the module's own settings.
	Config Config
	// Cost is that of a password's hash; the zero Cost is password.DefaultCost.
	Cost password.Cost
}

// Service is the users module. It is safe for concurrent use.
type Service struct {
	Deps

	hasher *password.Hasher
	wake   chan struct{} // of MailResets
}

var (
	_ users.Service = (*Service)(nil)
	_ auth.Source   = (*Service)(nil)
)

// New makes the service. Prune and MailResets are its background work.
func New(d Deps) *Service {
	if d.Cost == (password.Cost{}) {
		d.Cost = password.DefaultCost
	}
	return &Service{Deps: d, hasher: password.NewHasher(d.Clock, d.Cost), wake: make(chan struct{}, 1)}
}

// maxIDs is how many users a neighbour may ask for at once.
const maxIDs = 200

// GetUsers is in the contract. Errors: errs.ErrInvalid for more than 200 ids.
func (s *Service) GetUsers(ctx context.Context, r users.GetUsersRequest) ([]users.User, error) {
	if len(r.IDs) > maxIDs {
		return nil, errs.ErrInvalid.Field("ids", "must be at most %d", maxIDs)
	}
	rows, err := store.UsersByID(ctx, s.DB.Read(), r.IDs)
	if err != nil {
		return nil, err
	}
	list := make([]users.User, len(rows))
	for i := range rows {
		list[i] = rows[i].Contract()
	}
	return list, nil
}

// GetAddress is in the contract.
func (s *Service) GetAddress(ctx context.Context, r users.GetAddressRequest) (users.Address, error) {
	return store.AddressByID(ctx, s.DB.Read(), r.UserID, r.AddressID)
}
