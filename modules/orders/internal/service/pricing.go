package service

import (
	"errors"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/platform/config"
	"stoa/platform/country"
	"stoa/platform/money"
)

// Shop is what the section "shop" says of prices.
type Shop struct {
	Currency string           `koanf:"currency" usage:"currency of carts, prices and files that name none (ISO 4217)"`
	Shipping map[string]int64 `koanf:"shipping" keys:"upper" min:"0" usage:"flat shipping an order, in minor units by its currency"`
	Tax      Tax              `koanf:"tax"`
}

// Tax is what countries take of goods and their shipping.
type Tax struct {
	Included bool                  `koanf:"included" usage:"whether prices include the tax, or it is added"`
	Rates    map[string]money.Rate `koanf:"rates" keys:"upper" usage:"rate by country of the shipping address (ISO 3166 alpha-2), such as 19%"`
}

// DefaultShop is what holds where the configuration says nothing.
func DefaultShop() Shop {
	return Shop{Currency: "USD", Shipping: map[string]int64{}, Tax: Tax{Rates: map[string]money.Rate{}}}
}

// Validate says what will not do.
func (s *Shop) Validate() error {
	var bad []error
	if !money.ValidCurrency(s.Currency) {
		bad = append(bad, config.BadValue("currency", "%q is no ISO 4217 currency", s.Currency))
	}
	for currency := range s.Shipping {
		if !money.ValidCurrency(currency) {
			bad = append(bad, config.BadValue("shipping."+currency, "%q is no ISO 4217 currency", currency))
		}
	}
	for code := range s.Tax.Rates {
		if !country.Valid(code) {
			bad = append(bad, config.BadValue("tax.rates."+code, "%q is no country: write its ISO 3166-1 alpha-2 code, such as DE", code))
		}
	}
	return errors.Join(bad...)
}

// totals are what an order comes to.
type totals struct {
	subtotal, shipping, tax, discount, total money.Money
}

// totals adds up priced lines that go to a country. Tax is on goods and their
// shipping; where prices include it, it is told and not added. Errors:
// money.ErrOverflow, money.ErrCurrencyMismatch.
func (s Shop) totals(currency, country string, items []orders.Item) (t totals, err error) {
	none := money.Money{Currency: currency}
	t = totals{subtotal: none, shipping: none, tax: none, discount: none}
	for _, i := range items {
		if t.subtotal, err = t.subtotal.Add(i.Total); err != nil {
			return totals{}, err
		}
	}
	t.shipping.Amount = s.Shipping[currency]
	if t.total, err = t.subtotal.Add(t.shipping); err != nil {
		return totals{}, err
	}
	rate := s.Tax.Rates[country]
	if s.Tax.Included {
		t.tax, err = t.total.Included(rate)
		return t, err
	}
	if t.tax, err = t.total.Portion(rate); err != nil {
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
