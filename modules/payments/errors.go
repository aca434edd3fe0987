package payments

import "stoa/platform/errs"

// What a caller may test for.
var (
	ErrPaymentNotFound      = errs.New(errs.NotFound, "payments.payment_not_found", "there is no payment for this order")
	ErrUnknownMethod        = errs.New(errs.Invalid, "payments.unknown_method", "this means of payment is not known")
	ErrDeclined             = errs.New(errs.Conflict, "payments.declined", "the payment was declined")
	ErrInsufficientFunds    = errs.New(errs.Conflict, "payments.insufficient_funds", "the payment was declined: insufficient funds")
	ErrNotAuthorized        = errs.New(errs.Conflict, "payments.not_authorized", "nothing was authorised for this order")
	ErrClosed               = errs.New(errs.Conflict, "payments.closed", "the payment of this order was cancelled")
	ErrRequestMismatch      = errs.New(errs.Conflict, "payments.request_mismatch", "this was asked for before with other values")
	ErrRefundExceedsCapture = errs.New(errs.Conflict, "payments.refund_exceeds_capture", "this is more than is left of what was captured")
	ErrProviderUnavailable  = errs.New(errs.Unavailable, "payments.provider_unavailable", "the payment provider does not answer")
)
