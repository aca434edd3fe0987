// Package money is amounts of money: whole minor units (cents) of an ISO 4217
// currency, and arithmetic on them that is exact or an error. There is no
// floating point in it and nothing wraps around.
//
// Any package may import it, contracts included; it imports the standard
// library and platform/errs. It never converts between currencies.
package money

import (
	"math"
	"math/bits"
	"strconv"
)

// Money is an amount in a currency. Its JSON is {"amount": 1999, "currency": "USD"}.
// The zero value is nothing in no currency; it adds to nothing but itself.
type Money struct {
	// Amount is in minor units: 1999 is 19.99 USD, and 1999 JPY.
	Amount int64 `json:"amount" doc:"Whole minor units: 1999 is 19.99 USD, and 1999 JPY." example:"1999"`
	// Currency is the ISO 4217 code in capitals.
	Currency string `json:"currency" doc:"ISO 4217 code." example:"USD" pattern:"^[A-Z]{3}$"`
}

// New gives an amount of minor units. It returns ErrUnknownCurrency.
func New(amount int64, currency string) (Money, error) {
	if err := checkCurrency(currency); err != nil {
		return Money{}, err
	}
	return Money{Amount: amount, Currency: currency}, nil
}

// Check returns ErrUnknownCurrency if the currency is none. What comes from
// outside is checked once; arithmetic only compares currencies.
func (m Money) Check() error { return checkCurrency(m.Currency) }

// IsZero reports whether the amount is 0, in whatever currency.
func (m Money) IsZero() bool { return m.Amount == 0 }

// IsNegative reports whether the amount is below 0.
func (m Money) IsNegative() bool { return m.Amount < 0 }

// Add gives m + o. It returns ErrCurrencyMismatch or ErrOverflow.
func (m Money) Add(o Money) (Money, error) {
	if err := m.same(o); err != nil {
		return Money{}, err
	}
	sum := m.Amount + o.Amount
	// Only terms of one sign overflow, and then the sum has the other.
	if (m.Amount >= 0) == (o.Amount >= 0) && (sum >= 0) != (m.Amount >= 0) {
		return Money{}, overflow("%s plus %s", m, o)
	}
	return Money{Amount: sum, Currency: m.Currency}, nil
}

// Sub gives m − o, which may be negative. It returns ErrCurrencyMismatch or
// ErrOverflow.
func (m Money) Sub(o Money) (Money, error) {
	if err := m.same(o); err != nil {
		return Money{}, err
	}
	difference := m.Amount - o.Amount
	if (m.Amount >= 0) != (o.Amount >= 0) && (difference >= 0) != (m.Amount >= 0) {
		return Money{}, overflow("%s minus %s", m, o)
	}
	return Money{Amount: difference, Currency: m.Currency}, nil
}

// Mul gives m × quantity. It returns ErrOverflow.
func (m Money) Mul(quantity int64) (Money, error) {
	hi, lo := bits.Mul64(magnitude(m.Amount), magnitude(quantity))
	product, ok := signed(hi, lo, (m.Amount < 0) != (quantity < 0))
	if !ok {
		return Money{}, overflow("%s times %d", m, quantity)
	}
	return Money{Amount: product, Currency: m.Currency}, nil
}

// Sum adds up amounts of one currency, starting from nothing in it. It returns
// ErrCurrencyMismatch or ErrOverflow.
func Sum(currency string, amounts ...Money) (Money, error) {
	total := Money{Currency: currency}
	for _, m := range amounts {
		var err error
		if total, err = total.Add(m); err != nil {
			return Money{}, err
		}
	}
	return total, nil
}

// Compare gives −1, 0 or 1 as m is less than, equal to or more than o. It
// returns ErrCurrencyMismatch.
func (m Money) Compare(o Money) (int, error) {
	if err := m.same(o); err != nil {
		return 0, err
	}
	switch {
	case m.Amount < o.Amount:
		return -1, nil
	case m.Amount > o.Amount:
		return 1, nil
	}
	return 0, nil
}

// String gives the amount as people read it: "19.99 USD".
func (m Money) String() string {
	if m.Currency == "" {
		return strconv.FormatInt(m.Amount, 10)
	}
	return m.Decimal() + " " + m.Currency
}

func (m Money) same(o Money) error {
	if m.Currency != o.Currency {
		return ErrCurrencyMismatch.With("%q and %q are not one currency", clip(m.Currency), clip(o.Currency))
	}
	return nil
}

func overflow(format string, args ...any) error {
	return ErrOverflow.With("the amount is too large: "+format, args...)
}

// magnitude gives |n|, also of the smallest number, whose negative is no int64.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// signed gives ±(hi·2⁶⁴ + lo) if that is an int64.
func signed(hi, lo uint64, negative bool) (int64, bool) {
	switch {
	case hi != 0:
		return 0, false
	case negative && lo <= 1<<63:
		return -int64(lo), true // at 2⁶³ both conversion and negation give the smallest number
	case !negative && lo <= math.MaxInt64:
		return int64(lo), true
	}
	return 0, false
}

// clip keeps what came from outside short in a message.
func clip(text string) string {
	const most = 32
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
