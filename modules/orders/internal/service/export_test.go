package service

import (
	"stoa/modules/orders"
	"stoa/platform/money"
)

// Totals adds up lines of these totals.
func Totals(s Shop, currency, country string, lines []int64) (subtotal, shipping, tax, total int64, err error) {
	items := make([]orders.Item, len(lines))
	for i, amount := range lines {
		items[i].Total = money.Money{Amount: amount, Currency: currency}
	}
	t, err := s.totals(currency, country, items)
	return t.subtotal.Amount, t.shipping.Amount, t.tax.Amount, t.total.Amount, err
}
