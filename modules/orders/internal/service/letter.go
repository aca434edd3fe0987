package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stoa/modules/orders"
	"stoa/modules/users"
	"stoa/platform/bus"
	"stoa/platform/db"
	"stoa/platform/mail"
)

// OnConfirmed writes to the customer that their order was accepted.
func (s *Service) OnConfirmed(ctx context.Context, _ bus.Event, e orders.Confirmed) (db.Effect, error) {
	return nil, s.tell(ctx, e.OrderID, confirmed)
}

// OnShipped writes to the customer that their parcel is on its way.
func (s *Service) OnShipped(ctx context.Context, _ bus.Event, e orders.Shipped) (db.Effect, error) {
	return nil, s.tell(ctx, e.OrderID, func(o orders.Order) letter { return shipped(o, e) })
}

// letter is what is written to a customer, without the greeting.
type letter struct{ subject, text string }

// tell writes to the customer of an order, at the address they have now. One
// who was deleted is not written to. It may write twice where the process ends
// between sending and remembering that.
func (s *Service) tell(ctx context.Context, orderID string, write func(o orders.Order) letter) error {
	o, err := s.GetOrder(ctx, orders.GetOrderRequest{ID: orderID})
	if errors.Is(err, orders.ErrOrderNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	customers, err := s.Users.GetUsers(ctx, users.GetUsersRequest{IDs: []string{o.UserID}})
	if err != nil {
		return fmt.Errorf("write to the customer of order %s: %w", o.ID, err)
	}
	if len(customers) == 0 {
		return nil
	}
	l := write(o)
	if err := s.Mail.Send(ctx, mail.Message{
		To: customers[0].Email, Subject: l.subject,
		Text: "Hello " + customers[0].Name + ",\n\n" + l.text + "\nKind regards\n",
	}); err != nil {
		return fmt.Errorf("write to the customer of order %s: %w", o.ID, err)
	}
	return nil
}

// confirmed tells what was bought and paid.
func confirmed(o orders.Order) letter {
	var b strings.Builder
	fmt.Fprintf(&b, "thank you for your order %s. It is paid, and we will write again when it is\non its way.\n\n", o.Number)
	for _, item := range o.Items {
		fmt.Fprintf(&b, "  %d × %s: %s\n", item.Quantity, item.Title, item.Total)
	}
	b.WriteString("\n")
	fmt.Fprintf(&b, "  Goods:    %s\n", o.Subtotal)
	fmt.Fprintf(&b, "  Shipping: %s\n", o.ShippingTotal)
	if !o.DiscountTotal.IsZero() {
		fmt.Fprintf(&b, "  Discount: %s\n", o.DiscountTotal)
	}
	if included := o.Subtotal.Amount+o.ShippingTotal.Amount-o.DiscountTotal.Amount == o.Total.Amount; included {
		fmt.Fprintf(&b, "  Total:    %s\n", o.Total)
		if !o.TaxTotal.IsZero() {
			fmt.Fprintf(&b, "            which includes %s of tax\n", o.TaxTotal)
		}
	} else {
		fmt.Fprintf(&b, "  Tax:      %s\n", o.TaxTotal)
		fmt.Fprintf(&b, "  Total:    %s\n", o.Total)
	}
	writeAddress(&b, "It will go to:", o.ShippingAddress)
	return letter{"Your order " + o.Number, b.String()}
}

// shipped tells how to follow the parcel.
func shipped(o orders.Order, e orders.Shipped) letter {
	var b strings.Builder
	fmt.Fprintf(&b, "your order %s is on its way.\n\n", o.Number)
	fmt.Fprintf(&b, "  Carrier:         %s\n", e.Carrier)
	if e.TrackingNumber != "" {
		fmt.Fprintf(&b, "  Tracking number: %s\n", e.TrackingNumber)
	}
	writeAddress(&b, "It goes to:", o.ShippingAddress)
	return letter{"Your order " + o.Number + " is on its way", b.String()}
}

func writeAddress(b *strings.Builder, heading string, a *orders.ShippingAddress) {
	if a == nil {
		return
	}
	fmt.Fprintf(b, "\n%s\n\n", heading)
	town := strings.TrimSpace(a.PostalCode + " " + a.City)
	for _, line := range []string{a.Name, a.Line1, a.Line2, town, a.Region, a.Country} {
		if line != "" {
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
}
