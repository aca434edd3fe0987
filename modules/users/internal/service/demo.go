package service

import (
	"context"

	"golang.org/x/sync/errgroup"

	"stoa/modules/users/internal/store"
)

// DemoAccount is an account of a demonstration and its password.
type DemoAccount struct {
	Account
	Password string
}

// MakeDemo makes an administrator and a customer with passwords that nobody
// knows yet. Where there is any account already, it makes none.
func (s *Service) MakeDemo(ctx context.Context) (made []DemoAccount, err error) {
	err = s.DB.Exclusive(ctx, "demo", func(ctx context.Context) error {
		some, err := store.ListUsers(ctx, s.DB.Read(), store.Filter{Limit: 1})
		if err == nil && len(some) == 0 {
			made, err = s.makeDemo(ctx)
		}
		return err
	})
	return made, err
}

// makeDemo makes them side by side: most of the time goes into their passwords.
func (s *Service) makeDemo(ctx context.Context) ([]DemoAccount, error) {
	accounts := []struct {
		email, name string
		admin       bool
	}{
		{"admin@stoa.example", "Demo Administrator", true},
		{"customer@stoa.example", "Demo Customer", false},
	}
	made := make([]DemoAccount, len(accounts))
	g, ctx := errgroup.WithContext(ctx)
	for i, who := range accounts {
		secret, _ := s.secret()
		password := secret[:16] // 96 bits
		g.Go(func() error {
			a, err := s.create(ctx, RegisterRequest{Email: who.email, Name: who.name, Password: password}, who.admin)
			made[i] = DemoAccount{a, password}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return made, nil
}
