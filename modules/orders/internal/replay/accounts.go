package replay

import (
	"context"
	"net/http"

	"stoa/modules/orders"
)

const codeEmailTaken = "users.email_taken"

// openAccounts makes the accounts of all customers that something is still to
// be done for, and signs them in.
func (r *replay) openAccounts(ctx context.Context) error {
	var waiting []*buyer
	for _, b := range r.buyers {
		if !r.served(b) {
			waiting = append(waiting, b)
		}
	}
	r.progress.begin("accounts", len(waiting))
	return r.each(ctx, len(waiting), func(ctx context.Context, i int) error {
		defer r.progress.add(1)
		b := waiting[i]
		err := r.openAccount(ctx, b)
		if refusal(err) != nil {
			b.refused = err
		}
		return r.refuse("account "+b.session.email, err)
	})
}

// served tells whether all that a customer does is done already.
func (r *replay) served(b *buyer) bool {
	for _, s := range b.Steps {
		if s.Order != nil && r.standing(s.Order.Mark()) == nil || s.Return != nil {
			return false
		}
	}
	return true
}

// standing gives the order that an earlier run has placed for an invoice and
// that was not rejected; nil where there is none.
func (r *replay) standing(mark string) *orders.Order {
	for _, o := range r.earlier.orders[mark] {
		if o.Status != orders.StatusRejected {
			return &o
		}
	}
	return nil
}

func (r *replay) openAccount(ctx context.Context, b *buyer) error {
	if err := r.register(ctx, b); err != nil {
		return err
	}
	_, err := b.session.token(ctx)
	return err
}

// register makes an account. An administrator asks for it, because how many
// strangers may open is limited.
func (r *replay) register(ctx context.Context, b *buyer) error {
	release, err := b.session.enter(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, err = r.shop.do(ctx, call{
		method: http.MethodPost, path: "/users", key: "account " + b.session.email, as: r.admin,
		body: map[string]string{"email": b.session.email, "password": b.session.password, "name": "Customer " + b.Name()},
	}, nil)
	switch {
	case refused(err, codeEmailTaken):
		return nil
	case err != nil:
		return err
	}
	r.note(func(res *result) { res.accounts++ })
	return nil
}
