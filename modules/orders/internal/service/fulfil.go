package service

import (
	"context"
	"encoding/json"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/auth"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
)

// Match judges the version of an order or cart that is to be changed, in the
// transaction that changes it; nil is satisfied with any.
type Match func(version int64) error

func (m Match) check(version int64) error {
	if m == nil {
		return nil
	}
	return m(version)
}

// CancelOrder calls an order off before it is shipped: its customer may, and
// staff. Catalog and payments hear of it and give everything back; what they
// gave is added to the order's history when they tell. Errors:
// orders.ErrOrderNotFound, orders.ErrInvalidTransition, and what match returns.
func (s *Service) CancelOrder(ctx context.Context, by auth.Identity, id, reason string, match Match) (orders.Order, error) {
	if _, done := idempotency.Claimed(ctx); done {
		return s.readOrder(ctx, by, id)
	}
	var bad problems
	bad.text("body.reason", &reason, maxReason)
	if err := bad.error(); err != nil {
		return orders.Order{}, err
	}
	o, err := s.change(ctx, id, owner(by), match, func(ctx context.Context, tx *db.Tx, d *draft) error {
		if err := idempotency.Claim(ctx, tx, id); err != nil {
			return err
		}
		if err := d.record(s.Clock.Now(), orderCanceled{Reason: reason}); err != nil {
			return err
		}
		return s.Outbox.Add(ctx, tx, id, orders.Canceled{OrderID: id, UserID: d.UserID, Reason: reason})
	})
	if err != nil {
		return orders.Order{}, err
	}
	return contract(o), nil
}

// ShipOrder says that a parcel is on its way. Errors: orders.ErrOrderNotFound,
// orders.ErrInvalidTransition, errs.ErrInvalid, and what match returns.
func (s *Service) ShipOrder(ctx context.Context, id, carrier, trackingNumber string, match Match) (orders.Shipment, error) {
	if shipment, done := idempotency.Claimed(ctx); done {
		return s.shipment(ctx, id, shipment)
	}
	var bad problems
	bad.line("body.carrier", &carrier, 1, maxCarrier)
	bad.line("body.tracking_number", &trackingNumber, 0, maxTracking)
	if err := bad.error(); err != nil {
		return orders.Shipment{}, err
	}
	at := s.Clock.Now()
	shipped := orderShipped{ShipmentID: s.Clock.ID(), Carrier: carrier, TrackingNumber: trackingNumber}
	_, err := s.change(ctx, id, "", match, func(ctx context.Context, tx *db.Tx, d *draft) error {
		if err := idempotency.Claim(ctx, tx, shipped.ShipmentID); err != nil {
			return err
		}
		if err := d.record(at, shipped); err != nil {
			return err
		}
		return s.Outbox.Add(ctx, tx, id, orders.Shipped{
			OrderID: id, UserID: d.UserID, ShipmentID: shipped.ShipmentID, Carrier: carrier, TrackingNumber: trackingNumber,
		})
	})
	if err != nil {
		return orders.Shipment{}, err
	}
	return orders.Shipment{ID: shipped.ShipmentID, OrderID: id, Carrier: carrier, TrackingNumber: trackingNumber, CreatedAt: at}, nil
}

// shipment finds a shipment in the history of its order.
func (s *Service) shipment(ctx context.Context, orderID, id string) (orders.Shipment, error) {
	events, err := store.Events(ctx, s.DB.Read(), orderID)
	if err != nil {
		return orders.Shipment{}, err
	}
	for _, e := range events {
		var shipped orderShipped
		if e.Type != shipped.eventType() {
			continue
		}
		if err := json.Unmarshal(e.Data, &shipped); err != nil {
			return orders.Shipment{}, err
		}
		if shipped.ShipmentID == id {
			return orders.Shipment{
				ID: id, OrderID: orderID, Carrier: shipped.Carrier, TrackingNumber: shipped.TrackingNumber, CreatedAt: e.At.Time,
			}, nil
		}
	}
	return orders.Shipment{}, errs.ErrInternal.With("order %s has no shipment %s", orderID, id)
}

// DeliverOrder says that the parcel arrived. Errors: orders.ErrOrderNotFound,
// orders.ErrInvalidTransition, and what match returns.
func (s *Service) DeliverOrder(ctx context.Context, by auth.Identity, id string, match Match) (orders.Order, error) {
	if _, done := idempotency.Claimed(ctx); done {
		return s.readOrder(ctx, by, id)
	}
	o, err := s.change(ctx, id, "", match, func(ctx context.Context, tx *db.Tx, d *draft) error {
		if err := idempotency.Claim(ctx, tx, id); err != nil {
			return err
		}
		if err := d.record(s.Clock.Now(), orderDelivered{}); err != nil {
			return err
		}
		return s.Outbox.Add(ctx, tx, id, orders.Delivered{OrderID: id, UserID: d.UserID})
	})
	if err != nil {
		return orders.Order{}, err
	}
	return contract(o), nil
}
