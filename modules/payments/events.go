package payments

import "stoa/platform/money"

// Refunded says that money of an order went back. The aggregate is the order.
type Refunded struct {
	OrderID  string      `json:"order_id"`
	RefundID string      `json:"refund_id"`
	Amount   money.Money `json:"amount"`
	// TotalRefunded is all that went back so far, this refund included.
	TotalRefunded money.Money `json:"total_refunded"`
	Captured      money.Money `json:"captured"`
	Reason        string      `json:"reason"`
}

// EventType names the event on the bus.
func (Refunded) EventType() string { return "stoa.payments.payment_refunded.v1" }

// Voided says that what was authorised for an order was given up before it was
// captured. The aggregate is the order.
type Voided struct {
	OrderID string      `json:"order_id"`
	Amount  money.Money `json:"amount"`
}

// EventType names the event on the bus.
func (Voided) EventType() string { return "stoa.payments.payment_voided.v1" }
