package service

import (
	"errors"
	"strings"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/platform/config"
	"stoa/platform/money"
)

// Shop is what the section "shop" says of prices.
type Shop struct {
	Currency string            `koanf:"currency" usage:"ISO 4217 code for carts, files and price filters that name none"`
	Shipping map[string]string `koanf:"shipping" keys:"upper" usage:"flat cost of shipping an order, by its currency, such as 4.90"`
	Tax      map[string]Tax    `koanf:"tax" keys:"upper" usage:"tax by the country an order goes to (ISO 3166-1 alpha-2)"`
}

// Tax is what a country takes of goods and their shipping.
type Tax struct {
	Rate     money.Rate `koanf:"rate" usage:"such as 19%"`
	Included bool       `koanf:"included" usage:"whether prices include it already; else it is added"`
}

// DefaultShop is what holds where the configuration says nothing.
func DefaultShop() Shop {
	return Shop{Currency: "USD", Shipping: map[string]string{}, Tax: map[string]Tax{}}
}

// Validate says what will not do.
func (s *Shop) Validate() error {
	_, err := newPricing(*s)
	return err
}

// pricing tells what orders cost beside their goods.
type pricing struct {
	currency string
	shipping map[string]money.Money
	tax      map[string]Tax
}

func newPricing(s Shop) (*pricing, error) {
	p := &pricing{currency: s.Currency, shipping: map[string]money.Money{}, tax: s.Tax}
	var bad []error
	if !money.ValidCurrency(s.Currency) {
		bad = append(bad, config.BadValue("currency", "%q is no ISO 4217 currency", s.Currency))
	}
	for currency, text := range s.Shipping {
		amount, err := money.Parse(text, currency)
		if err != nil || amount.IsNegative() {
			bad = append(bad, config.BadValue("shipping."+strings.ToLower(currency), "%q is no amount in the currency %q, such as 4.90", text, currency))
			continue
		}
		p.shipping[currency] = amount
	}
	for country := range s.Tax {
		if !isCountry(country) {
			bad = append(bad, config.BadValue("tax."+strings.ToLower(country), "%q is no country: write its ISO 3166-1 alpha-2 code, such as DE", country))
		}
	}
	return p, errors.Join(bad...)
}

// totals are what an order comes to.
type totals struct {
	subtotal, shipping, tax, discount, total money.Money
}

// totals adds up priced lines that go to a country. Tax is on goods and their
// shipping; where prices include it, it is told and not added. Errors:
// money.ErrOverflow, money.ErrCurrencyMismatch.
func (p *pricing) totals(currency, country string, items []orders.Item) (t totals, err error) {
	none := money.Money{Currency: currency}
	t = totals{subtotal: none, shipping: none, tax: none, discount: none}
	for _, i := range items {
		if t.subtotal, err = t.subtotal.Add(i.Total); err != nil {
			return totals{}, err
		}
	}
	if flat, ok := p.shipping[currency]; ok {
		t.shipping = flat
	}
	if t.total, err = t.subtotal.Add(t.shipping); err != nil {
		return totals{}, err
	}
	tax := p.tax[country]
	if tax.Included {
		t.tax, err = t.total.Included(tax.Rate)
		return t, err
	}
	if t.tax, err = t.total.Portion(tax.Rate); err != nil {
		return totals{}, err
	}
	t.total, err = t.total.Add(t.tax)
	return t, err
}

// price gives the line of an order for so many of what is offered. Errors:
// money.ErrOverflow.
func price(o catalog.Offer, quantity int64) (orders.Item, error) {
	total, err := o.Price.Mul(quantity)
	return orders.Item{
		SKU: o.SKU, ProductID: o.ProductID, Title: o.Title, UnitPrice: o.Price, Quantity: quantity, Total: total,
	}, err
}
