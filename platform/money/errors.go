package money

import "stoa/platform/errs"

// What can be wrong with money. All are the caller's to mend.
var (
	// ErrOverflow: the result does not fit into an amount.
	ErrOverflow = errs.New(errs.Invalid, "money.overflow", "the amount is too large")
	// ErrCurrencyMismatch: amounts of different currencies were put together.
	ErrCurrencyMismatch = errs.New(errs.Invalid, "money.currency_mismatch", "the amounts are not of one currency")
	// ErrUnknownCurrency: the code is not that of a currency in use that has minor units.
	ErrUnknownCurrency = errs.New(errs.Invalid, "money.unknown_currency", "there is no such currency")
	// ErrBadAmount: the text is not an amount of the currency, or not a rate.
	ErrBadAmount = errs.New(errs.Invalid, "money.bad_amount", "this is not an amount of money")
)
