package service

import "context"

// SettleDue is one round of Settle.
func (s *Service) SettleDue(ctx context.Context) error { return s.settleDue(ctx) }

// How Settle keeps time.
const (
	SettlePause = settlePause
	SettleEvery = settleEvery
)
