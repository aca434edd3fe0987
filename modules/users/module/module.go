// Package module wires the users module: it says what the module is to the rest
// of the house, and joins its rooms. Only binaries import it. It holds no rule.
package module

import (
	"context"

	usersmigrations "stoa/migrations/users"
	"stoa/modules/users"
	"stoa/modules/users/internal/rest"
	"stoa/modules/users/internal/service"
	"stoa/modules/users/usersrpc"
	"stoa/platform/auth"
	"stoa/platform/auth/authrpc"
	"stoa/platform/config"
	"stoa/platform/module"
	"stoa/platform/web"
)

// New gives the users module. It issues access tokens, and is what its own
// process, and by authrpc every other, follows keys and revocations from.
func New() module.Module {
	m := &wiring{}
	return module.Module{
		Name:       users.Name,
		Config:     []config.Section{{Key: users.Name, Target: &m.config}},
		Migrations: usersmigrations.FS,
		Routes:     func(r *web.Router) { rest.Register(r, m.service) },
		Commands:   m.commands,
		Start:      m.start,
	}
}

type wiring struct {
	config  service.Config
	service *service.Service // from Start on
}

func (m *wiring) start(ctx context.Context, h *module.Host) error {
	keys, err := auth.OpenKeys(h.Auth.Config, h.Clock, h.Log)
	if err != nil {
		return err
	}
	m.service = service.New(service.Deps{
		DB: h.DB, Outbox: h.Outbox, Clock: h.Clock, Log: h.Log, Mail: h.Mail, Limits: h.Limits,
		Auth: h.Auth.Config, Keys: keys, Verifier: h.Auth.Verifier, Config: m.config,
	})
	// Once here, so that the first request finds keys; from then on in the background.
	h.Auth.Verifier.Follow(m.service)
	if err := h.Auth.Verifier.Sync(ctx); err != nil {
		return err
	}
	module.Provide(h, users.Service(m.service), usersrpc.Serve)
	if h.Server != nil {
		authrpc.Serve(h.Server, m.service)
	}
	h.Go("signing keys", keys.Run)
	h.Go("reset mails", m.service.MailResets)
	h.Go("pruning", m.service.Prune)
	h.Demo(m.demo(h.DataDir))
	return nil
}
