package service

import (
	"context"
	"fmt"
	"time"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
)

// Inventory is how many of a SKU there are. Available is OnHand − Reserved, and
// never below 0.
type Inventory struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"on_hand"`
	Reserved  int64  `json:"reserved"`
	Available int64  `json:"available"`
}

// Movement is a line of the ledger of a SKU. The sum of all is what is on hand.
type Movement struct {
	ID       string    `json:"id" format:"uuid"`
	Kind     string    `json:"kind" enum:"adjustment,import,sale,return"`
	Quantity int64     `json:"quantity"`
	OrderID  *string   `json:"order_id" doc:"the order that took it or brought it back; null otherwise"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// Adjustment is a movement that staff made, and what there is after it.
type Adjustment struct {
	Movement
	Inventory
}

func inventoryOf(s store.Stock) Inventory {
	return Inventory{SKU: s.SKU, OnHand: s.OnHand, Reserved: s.Reserved, Available: s.Available()}
}

func movementOf(m store.Movement) Movement {
	movement := Movement{ID: m.ID, Kind: m.Kind, Quantity: m.Quantity, Reason: m.Reason, At: m.At}
	if m.OrderID != "" {
		movement.OrderID = &m.OrderID
	}
	return movement
}

// GetInventory tells how many of a SKU there are; also of one whose variant was
// deleted. Errors: catalog.ErrVariantNotFound.
func (s *Service) GetInventory(ctx context.Context, sku string) (Inventory, error) {
	stock, err := s.stockOf(ctx, s.db.Read(), sku)
	return inventoryOf(stock), err
}

func (s *Service) stockOf(ctx context.Context, c db.Conn, sku string) (store.Stock, error) {
	stock, ok, err := store.GetStock(ctx, c, sku)
	if err != nil {
		return store.Stock{}, fmt.Errorf("get inventory: %w", err)
	}
	if !ok {
		return store.Stock{}, catalog.ErrVariantNotFound
	}
	return stock, nil
}

// MaxReason is how long the reason of an adjustment may be, in characters.
const MaxReason = 500

// Adjust changes what is on hand by delta, for a reason. It honours an
// idempotency key. Errors: catalog.ErrVariantNotFound,
// catalog.ErrInsufficientStock where less would be left than is reserved,
// errs.ErrInvalid.
func (s *Service) Adjust(ctx context.Context, sku string, delta int64, reason string) (Adjustment, error) {
	if id, made := idempotency.Claimed(ctx); made {
		return s.adjustment(ctx, sku, id)
	}
	if delta == 0 || delta > catalog.MaxQuantity || delta < -catalog.MaxQuantity {
		return Adjustment{}, errs.ErrInvalid.Field("body.delta", "must be from −%d to %d, and not 0", catalog.MaxQuantity, catalog.MaxQuantity)
	}
	if message := checkLine(reason, MaxReason); message != "" {
		return Adjustment{}, errs.ErrInvalid.Field("body.reason", "%s", message)
	}
	line := store.Movement{
		SKU: sku, ID: s.clock.ID(), Kind: store.MovementAdjustment, Quantity: delta, Reason: reason, At: s.clock.Now(),
	}
	var after store.Stock
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		stock, ok, err := store.Move(ctx, tx, sku, delta)
		if err != nil {
			return err
		}
		if !ok {
			return s.cannotMove(ctx, tx, sku, delta)
		}
		if err := store.AddMovements(ctx, tx, []store.Movement{line}); err != nil {
			return err
		}
		after = stock
		s.changed(tx, stock.Product)
		return idempotency.Claim(ctx, tx, line.ID)
	})
	if err != nil {
		return Adjustment{}, fmt.Errorf("adjust stock: %w", err)
	}
	return Adjustment{movementOf(line), inventoryOf(after)}, nil
}

// adjustment gives one that was made before.
func (s *Service) adjustment(ctx context.Context, sku, id string) (Adjustment, error) {
	line, ok, err := store.GetMovement(ctx, s.db.Read(), sku, id)
	if err != nil {
		return Adjustment{}, fmt.Errorf("get adjustment: %w", err)
	}
	if !ok {
		return Adjustment{}, fmt.Errorf("the ledger of %q has no line %q", sku, id)
	}
	stock, err := s.stockOf(ctx, s.db.Read(), sku)
	return Adjustment{movementOf(line), inventoryOf(stock)}, err
}

// cannotMove says why what is on hand could not be changed.
func (s *Service) cannotMove(ctx context.Context, tx *db.Tx, sku string, delta int64) error {
	stock, err := s.stockOf(ctx, tx, sku)
	switch {
	case err != nil:
		return err
	case delta > 0:
		return errs.ErrInvalid.Field("body.delta", "would make more than %d", store.MaxOnHand)
	}
	return catalog.InsufficientStock(sku, stock.Available())
}

// ListMovements gives the ledger of a SKU, the newest line first: at most limit
// lines, those after the one named by before. Errors: catalog.ErrVariantNotFound.
func (s *Service) ListMovements(ctx context.Context, sku, before string, limit int) ([]Movement, error) {
	if _, err := s.stockOf(ctx, s.db.Read(), sku); err != nil {
		return nil, err
	}
	lines, err := store.ListMovements(ctx, s.db.Read(), sku, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list movements: %w", err)
	}
	movements := make([]Movement, len(lines))
	for i, line := range lines {
		movements[i] = movementOf(line)
	}
	return movements, nil
}
