package store

import (
	"context"
	"fmt"

	"stoa/platform/db"
)

var (
	insertPayment = db.NewStatement(`INSERT INTO payments (order_id, id, currency, asked, status, refusal, closed,
		authorized, captured, voided, refunding, refunded, attempts, provider, reference, settle_at, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1, $17, $18) ON CONFLICT (order_id) DO NOTHING`)
	updatePayment = db.NewStatement(`UPDATE payments SET currency = $3, asked = $4, status = $5, refusal = $6, closed = $7,
		authorized = $8, captured = $9, voided = $10, refunding = $11, refunded = $12, attempts = $13, provider = $14, reference = $15,
		settle_at = $16, updated_at = $17, version = version + 1 WHERE order_id = $1 AND version = $2`)
	saveAttempt = db.NewStatement(`INSERT INTO attempts (order_id, number, operation, refund_id, outcome, code, reference, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (order_id, number) DO UPDATE
		SET outcome = excluded.outcome, code = excluded.code, reference = excluded.reference`)
	saveRefund = db.NewStatement(`INSERT INTO refunds (id, order_id, amount, reason, state, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state WHERE refunds.order_id = excluded.order_id`)
	insertEntry = db.NewStatement(`INSERT INTO ledger (order_id, kind, refund_id, amount, at) VALUES ($1, $2, $3, $4, $5)`)
)

// Save stores a payment and what changed with it, where it is as it was read.
// The caller raises Version once the transaction is committed.
// Errors, here or of the Write: ErrConflict, also where another order has a refund of that id.
func Save(ctx context.Context, tx *db.Tx, p *Payment, c Changes) error {
	if err := savePayment(ctx, tx, p); err != nil {
		return fmt.Errorf("save payment: %w", err)
	}
	for _, a := range c.Attempts {
		if err := saveAttempt.Later(ctx, tx, p.OrderID, a.Number, a.Operation, a.RefundID, a.Outcome, a.Code, a.Reference, db.NewTime(a.At)); err != nil {
			return fmt.Errorf("save attempt: %w", err)
		}
	}
	for _, r := range c.Refunds {
		if err := saveRefund.LaterOr(ctx, tx, ErrConflict, r.ID, p.OrderID, r.Amount.Amount, r.Reason, r.State, db.NewTime(r.CreatedAt)); err != nil {
			return fmt.Errorf("save refund: %w", err)
		}
	}
	for _, e := range c.Entries {
		if err := insertEntry.Later(ctx, tx, p.OrderID, e.Kind, e.RefundID, e.Amount, db.NewTime(e.At)); err != nil {
			return fmt.Errorf("enter into the ledger: %w", err)
		}
	}
	return nil
}

func savePayment(ctx context.Context, tx *db.Tx, p *Payment) error {
	if p.Version == 0 {
		return insertPayment.LaterOr(ctx, tx, ErrConflict, p.OrderID, p.ID, p.Asked.Currency, p.Asked.Amount, p.Status, p.Refusal, p.Closed,
			p.Authorized.Amount, p.Captured.Amount, p.Voided.Amount, p.Refunding.Amount, p.Refunded.Amount, len(p.Attempts),
			p.Provider, p.ProviderReference, db.NewTime(p.SettleAt), db.NewTime(p.CreatedAt), db.NewTime(p.UpdatedAt))
	}
	return updatePayment.LaterOr(ctx, tx, ErrConflict, p.OrderID, p.Version, p.Asked.Currency, p.Asked.Amount, p.Status, p.Refusal, p.Closed,
		p.Authorized.Amount, p.Captured.Amount, p.Voided.Amount, p.Refunding.Amount, p.Refunded.Amount, len(p.Attempts),
		p.Provider, p.ProviderReference, db.NewTime(p.SettleAt), db.NewTime(p.UpdatedAt))
}
