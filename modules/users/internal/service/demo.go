package service

import (
	"context"

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

func (s *Service) makeDemo(ctx context.Context) (made []DemoAccount, err error) {
	for _, who := range []struct {
		email, name string
		admin       bool
	}{
		{"admin@stoa.example", "Demo Administrator", true},
		{"customer@stoa.example", "Demo Customer", false},
	} {
		secret, _ := s.secret()
		password := secret[:16] // 96 bits
		a, err := s.create(ctx, RegisterRequest{Email: who.email, Name: who.name, Password: password}, who.admin)
		if err != nil {
			return nil, err
		}
		made = append(made, DemoAccount{a, password})
	}
	return made, nil
}
