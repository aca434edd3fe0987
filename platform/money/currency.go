package money

import (
	_ "embed"
	"encoding/csv"
	"strings"
	"sync"
)

//go:embed iso4217/codes-all.csv
var iso4217 string

// The columns of the table that are read.
const (
	columnCode      = 2
	columnMinorUnit = 4
	columnWithdrawn = 5
)

// minorUnits holds the digits after the decimal point for each currency in
// use. Codes that no price can be in have none in ISO 4217 (gold, testing, "no
// currency") or are withdrawn, and are left out.
var minorUnits = sync.OnceValue(func() map[string]int {
	rows, err := csv.NewReader(strings.NewReader(iso4217)).ReadAll()
	if err != nil {
		panic("money: the embedded table of ISO 4217 is broken: " + err.Error())
	}
	units := make(map[string]int, 180)
	for _, row := range rows[1:] {
		digits := row[columnMinorUnit]
		if row[columnWithdrawn] != "" || len(digits) != 1 || digits[0] < '0' || digits[0] > '9' {
			continue
		}
		units[row[columnCode]] = int(digits[0] - '0')
	}
	return units
})

// MinorUnits gives the number of digits after the decimal point of a currency,
// by its ISO 4217 code in capitals: 2 for "USD", 0 for "JPY", 3 for "KWD". It
// reports false for a code that no money can be in.
func MinorUnits(currency string) (int, bool) {
	n, ok := minorUnits()[currency]
	return n, ok
}

// ValidCurrency reports whether money can be in the currency: whether it is
// an ISO 4217 code in capitals that is in use and has minor units.
func ValidCurrency(currency string) bool {
	_, ok := MinorUnits(currency)
	return ok
}

// checkCurrency gives ErrUnknownCurrency for a code that is none.
func checkCurrency(currency string) error {
	if !ValidCurrency(currency) {
		return ErrUnknownCurrency.With("there is no currency with the code %q", clip(currency))
	}
	return nil
}
