package gateway

import (
	"time"

	"stoa/platform/errs"
)

// What the gateway answers by itself, besides what platform/web does.
var (
	// ErrModuleUnavailable says that no instance of a module can be reached; its
	// detail "module" names it. Nothing was done.
	ErrModuleUnavailable = errs.New(errs.Unavailable, "gateway.module_unavailable", "this part of the shop cannot be reached right now").After(time.Second)
	// ErrAnswerLost says that a request was sent to its module, and the connection
	// broke before the answer: it may or may not have been done. Sent again with
	// the same Idempotency-Key it is done once.
	ErrAnswerLost = errs.New(errs.Unavailable, "gateway.answer_lost", "the answer was lost on the way: the request may or may not have been carried out").After(time.Second)
	// ErrNotReady says that routes are not known yet.
	ErrNotReady = errs.New(errs.Unavailable, "gateway.not_ready", "the routes of the shop are not known yet").After(time.Second)
)
