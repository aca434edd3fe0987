package money

import (
	"math/bits"
	"strings"
)

// Rate is a proportion in parts per million, such as a rate of tax: 190_000 is
// 19 %. As text, in configuration and JSON, it is "19%" or "0.19".
type Rate int64

// rateOne is the rate of 100 %, ratePlaces its decimal places.
const (
	rateOne    = 1_000_000
	ratePlaces = 6
)

// MaxRate is the largest rate there may be: 1000 %.
const MaxRate Rate = 10 * rateOne

// BasisPoints gives the rate of n hundredths of a percent: 1900 is 19 %.
func BasisPoints(n int64) Rate { return Rate(n * rateOne / 10_000) }

// ParseRate reads a rate exactly: "19%", "8.875%", "0.2". It is between 0 and
// MaxRate and has at most six decimal places (four as a percentage), else
// ErrBadAmount is returned.
func ParseRate(text string) (Rate, error) {
	number, percent := strings.CutSuffix(text, "%")
	places := ratePlaces
	if percent {
		number, places = strings.TrimRight(number, " "), ratePlaces-2
	}
	n, fault := parseFixed(number, places)
	switch {
	case fault == tooFine:
		return 0, ErrBadAmount.With("%q has too many decimal places for a rate", clip(text))
	case fault == malformed:
		return 0, ErrBadAmount.With("%q is not a rate such as 19%% or 0.19", clip(text))
	case fault != none || n < 0 || Rate(n) > MaxRate:
		return 0, ErrBadAmount.With("the rate %q is not between 0 and 1000%%", clip(text))
	}
	return Rate(n), nil
}

// String gives the rate as a percentage without needless zeros: "8.875%".
func (r Rate) String() string {
	text := string(appendFixed(nil, int64(r), ratePlaces-2))
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + "%"
}

// MarshalText writes the rate as String does.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the rate as ParseRate does.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// Portion gives the part of m that the rate stands for, rounded to the nearest
// minor unit and halves away from zero (commercial rounding, so that a refund
// is the exact opposite of its charge). It is the tax that is added to a price
// without tax. It returns ErrOverflow.
func (m Money) Portion(rate Rate) (Money, error) {
	return m.fraction(int64(rate), rateOne)
}

// Included gives the tax that is already in m, a price with tax at the rate:
// m × rate ÷ (1 + rate), rounded as Portion rounds. What is left of m is its
// price without tax, so that both add up to m. It returns ErrOverflow for a
// rate of −100 %, which no price can include.
func (m Money) Included(rate Rate) (Money, error) {
	return m.fraction(int64(rate), rateOne+int64(rate))
}

// fraction gives m × numerator ÷ denominator, halves rounded away from zero.
// The product is 128 bits wide, so only the result can overflow.
func (m Money) fraction(numerator, denominator int64) (Money, error) {
	hi, lo := bits.Mul64(magnitude(m.Amount), magnitude(numerator))
	divisor := magnitude(denominator)
	if hi >= divisor {
		return Money{}, overflow("%d/%d of %s", numerator, denominator, m)
	}
	quotient, remainder := bits.Div64(hi, lo, divisor)
	if remainder >= divisor-remainder {
		if quotient++; quotient == 0 {
			return Money{}, overflow("%d/%d of %s", numerator, denominator, m)
		}
	}
	negative := (m.Amount < 0) != ((numerator < 0) != (denominator < 0))
	amount, ok := signed(0, quotient, negative)
	if !ok {
		return Money{}, overflow("%d/%d of %s", numerator, denominator, m)
	}
	return Money{Amount: amount, Currency: m.Currency}, nil
}
