package orders

import "stoa/platform/money"

// What happens to an order, as neighbours hear it. The aggregate is the order.
// No event carries personal data.
type (
	// Placed says that a customer asked for an order; its checkout begins.
	Placed struct {
		OrderID string      `json:"order_id"`
		UserID  string      `json:"user_id"`
		Number  string      `json:"number"`
		Items   []Line      `json:"items"`
		Total   money.Money `json:"total"`
	}
	// Confirmed says that stock and money are taken.
	Confirmed struct {
		OrderID string      `json:"order_id"`
		UserID  string      `json:"user_id"`
		Total   money.Money `json:"total"`
	}
	// Rejected says that the checkout failed and all it took was given back.
	Rejected struct {
		OrderID string `json:"order_id"`
		UserID  string `json:"user_id"`
		Code    string `json:"code"`
	}
	// Canceled says that the order is off: stock and money go back.
	Canceled struct {
		OrderID string `json:"order_id"`
		UserID  string `json:"user_id"`
		Reason  string `json:"reason"`
	}
	// Shipped says that a parcel is on its way.
	Shipped struct {
		OrderID        string `json:"order_id"`
		UserID         string `json:"user_id"`
		ShipmentID     string `json:"shipment_id"`
		Carrier        string `json:"carrier"`
		TrackingNumber string `json:"tracking_number"`
	}
	// Delivered says that the parcel arrived.
	Delivered struct {
		OrderID string `json:"order_id"`
		UserID  string `json:"user_id"`
	}
)

// Line is so many of one variant.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// EventType names the event on the bus.
func (Placed) EventType() string { return "stoa.orders.order_placed.v1" }

// EventType names the event on the bus.
func (Confirmed) EventType() string { return "stoa.orders.order_confirmed.v1" }

// EventType names the event on the bus.
func (Rejected) EventType() string { return "stoa.orders.order_rejected.v1" }

// EventType names the event on the bus.
func (Canceled) EventType() string { return "stoa.orders.order_canceled.v1" }

// EventType names the event on the bus.
func (Shipped) EventType() string { return "stoa.orders.order_shipped.v1" }

// EventType names the event on the bus.
func (Delivered) EventType() string { return "stoa.orders.order_delivered.v1" }
