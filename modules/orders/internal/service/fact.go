package service

import (
	"encoding/json"
	"fmt"
	"time"

	"stoa/modules/orders"
	"stoa/platform/money"
)

// fact is something that happened to an order: the data of an event, as it is
// stored for ever. Fields may be added, never changed. None holds personal data.
type fact interface{ eventType() string }

type (
	orderPlaced struct {
		Number        string        `json:"number"`
		UserID        string        `json:"user_id"`
		Currency      string        `json:"currency"`
		Items         []orders.Item `json:"items"`
		Subtotal      money.Money   `json:"subtotal"`
		ShippingTotal money.Money   `json:"shipping_total"`
		TaxTotal      money.Money   `json:"tax_total"`
		DiscountTotal money.Money   `json:"discount_total"`
		Total         money.Money   `json:"total"`
	}
	stockReserved struct {
		ExpiresAt time.Time `json:"expires_at"`
	}
	paymentAuthorized struct {
		Amount money.Money `json:"amount"`
	}
	stockCommitted  struct{}
	paymentCaptured struct {
		Amount money.Money `json:"amount"`
	}
	orderConfirmed struct{}
	orderRejected  struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	orderCanceled struct {
		Reason string `json:"reason"`
	}
	orderShipped struct {
		ShipmentID     string `json:"shipment_id"`
		Carrier        string `json:"carrier"`
		TrackingNumber string `json:"tracking_number"`
	}
	orderDelivered struct{}
	paymentVoided  struct {
		Amount money.Money `json:"amount"`
	}
	paymentRefunded struct {
		RefundID string      `json:"refund_id"`
		Amount   money.Money `json:"amount"`
		// Captured is what had been taken: an order that is cancelled may not
		// have been told of that before.
		Captured money.Money `json:"captured"`
		Reason   string      `json:"reason"`
	}
	stockReleased struct {
		// Returned tells that the stock had left the shop and came back.
		Returned bool `json:"returned"`
	}
)

func (orderPlaced) eventType() string       { return orders.EventOrderPlaced }
func (stockReserved) eventType() string     { return orders.EventStockReserved }
func (paymentAuthorized) eventType() string { return orders.EventPaymentAuthorized }
func (stockCommitted) eventType() string    { return orders.EventStockCommitted }
func (paymentCaptured) eventType() string   { return orders.EventPaymentCaptured }
func (orderConfirmed) eventType() string    { return orders.EventOrderConfirmed }
func (orderRejected) eventType() string     { return orders.EventOrderRejected }
func (orderCanceled) eventType() string     { return orders.EventOrderCanceled }
func (orderShipped) eventType() string      { return orders.EventOrderShipped }
func (orderDelivered) eventType() string    { return orders.EventOrderDelivered }
func (paymentVoided) eventType() string     { return orders.EventPaymentVoided }
func (paymentRefunded) eventType() string   { return orders.EventPaymentRefunded }
func (stockReleased) eventType() string     { return orders.EventStockReleased }

// decode reads the data of a stored event.
func decode(eventType string, data []byte) (fact, error) {
	switch eventType {
	case orders.EventOrderPlaced:
		return decodeAs[orderPlaced](data)
	case orders.EventStockReserved:
		return decodeAs[stockReserved](data)
	case orders.EventPaymentAuthorized:
		return decodeAs[paymentAuthorized](data)
	case orders.EventStockCommitted:
		return decodeAs[stockCommitted](data)
	case orders.EventPaymentCaptured:
		return decodeAs[paymentCaptured](data)
	case orders.EventOrderConfirmed:
		return decodeAs[orderConfirmed](data)
	case orders.EventOrderRejected:
		return decodeAs[orderRejected](data)
	case orders.EventOrderCanceled:
		return decodeAs[orderCanceled](data)
	case orders.EventOrderShipped:
		return decodeAs[orderShipped](data)
	case orders.EventOrderDelivered:
		return decodeAs[orderDelivered](data)
	case orders.EventPaymentVoided:
		return decodeAs[paymentVoided](data)
	case orders.EventPaymentRefunded:
		return decodeAs[paymentRefunded](data)
	case orders.EventStockReleased:
		return decodeAs[stockReleased](data)
	}
	return nil, fmt.Errorf("an event of an order has the unknown type %q", eventType)
}

func decodeAs[F fact](data []byte) (fact, error) {
	var f F
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("an event of type %s: %w", f.eventType(), err)
	}
	return f, nil
}
