package money

import (
	"strconv"
	"strings"
)

// Parse reads an amount written as a decimal number of major units, exactly:
// "50", "19.99" and "9.9" in "USD" are 5000, 1999 and 990. Digits past those
// of the currency must be zeros. A leading minus is allowed; a plus, spaces,
// exponents, separators of thousands and a bare point are not.
//
// It returns ErrUnknownCurrency, ErrBadAmount, or ErrOverflow.
func Parse(text, currency string) (Money, error) {
	digits, ok := MinorUnits(currency)
	if !ok {
		return Money{}, checkCurrency(currency)
	}
	amount, fault := parseFixed(text, digits)
	switch fault {
	case malformed:
		return Money{}, ErrBadAmount.With("%q is not a decimal number such as 19.99", clip(text))
	case tooFine:
		return Money{}, ErrBadAmount.With("%q has more than the %d decimal places of %s", clip(text), digits, currency)
	case tooLarge:
		return Money{}, overflow("%s", clip(text))
	}
	return Money{Amount: amount, Currency: currency}, nil
}

// Decimal writes the amount in major units with all the digits of its
// currency: "19.99", "-0.05", "50" for JPY. Parse reads it back. In a currency
// that is not known there is no point in it.
func (m Money) Decimal() string {
	digits, _ := MinorUnits(m.Currency)
	return string(appendFixed(nil, m.Amount, digits))
}

// fault is what keeps a text from being a number with so many decimal places.
type fault int

const (
	none fault = iota
	malformed
	tooFine
	tooLarge
)

// parseFixed reads -?[0-9]+(\.[0-9]+)? as a whole number of 10^-places.
func parseFixed(text string, places int) (int64, fault) {
	unsigned, negative := strings.CutPrefix(text, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if !allDigits(whole) || point && !allDigits(fraction) {
		return 0, malformed
	}
	if len(fraction) > places {
		if strings.Trim(fraction[places:], "0") != "" {
			return 0, tooFine
		}
		fraction = fraction[:places]
	}
	// Without leading zeros more than 19 digits are past any int64, so that a
	// long text costs nothing.
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 19 {
		return 0, tooLarge
	}
	number := "0" + whole + fraction + strings.Repeat("0", places-len(fraction))
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, tooLarge
	}
	amount, ok := signed(0, n, negative)
	if !ok {
		return 0, tooLarge
	}
	return amount, none
}

// appendFixed writes n·10^-places with exactly that many decimal places.
func appendFixed(to []byte, n int64, places int) []byte {
	if n < 0 {
		to = append(to, '-')
	}
	number := strconv.AppendUint(nil, magnitude(n), 10)
	if missing := places + 1 - len(number); missing > 0 {
		number = append([]byte(strings.Repeat("0", missing)), number...)
	}
	point := len(number) - places
	to = append(to, number[:point]...)
	if places > 0 {
		to = append(to, '.')
		to = append(to, number[point:]...)
	}
	return to
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
