package orders

import (
	"encoding/json"
	"time"
)

// Event is one step in the life of an order. Its steps are gapless from 1.
type Event struct {
	Sequence int64           `json:"sequence"`
	Type     string          `json:"type" enum:"order_placed,stock_reserved,payment_authorized,stock_committed,payment_captured,order_confirmed,order_rejected,order_canceled,order_shipped,order_delivered,payment_voided,payment_refunded,stock_released"`
	At       time.Time       `json:"at" doc:"when it happened"`
	Data     json.RawMessage `json:"data" doc:"what else is to be known of it; an object whose members depend on the type"`
}

// The types of events in an order's history.
const (
	EventOrderPlaced       = "order_placed"
	EventStockReserved     = "stock_reserved"
	EventPaymentAuthorized = "payment_authorized"
	EventStockCommitted    = "stock_committed"
	EventPaymentCaptured   = "payment_captured"
	EventOrderConfirmed    = "order_confirmed"
	EventOrderRejected     = "order_rejected"
	EventOrderCanceled     = "order_canceled"
	EventOrderShipped      = "order_shipped"
	EventOrderDelivered    = "order_delivered"
	EventPaymentVoided     = "payment_voided"
	EventPaymentRefunded   = "payment_refunded"
	EventStockReleased     = "stock_released"
)

// Shipment is a parcel on its way.
type Shipment struct {
	ID             string    `json:"id" format:"uuid"`
	OrderID        string    `json:"order_id" format:"uuid"`
	Carrier        string    `json:"carrier"`
	TrackingNumber string    `json:"tracking_number"`
	CreatedAt      time.Time `json:"created_at"`
}
