// Package paymentsrpc is the contract of payments between processes: a client
// that is a payments.Service, and what answers it. Wirings import it. Package
// rpc says what crosses the wire; here nothing of the contract is lost.
package paymentsrpc

import (
	"context"
	"time"

	"stoa/modules/payments"
	"stoa/platform/rpc"
)

const (
	// providerTimeout is how long a provider may take where nobody says: the
	// default of payments.provider_timeout.
	providerTimeout = 10 * time.Second
	// margin is what the module itself may take besides its provider.
	margin = 2 * time.Second

	patience = providerTimeout + margin
)

// Every method is idempotent: by order, and Refund by its own id. Those that ask
// the provider have time for it.
var (
	checkMethod = rpc.Method[payments.CheckMethodRequest, rpc.Empty]{Module: payments.Name, Name: "CheckMethod", Idempotent: true}
	authorize   = rpc.Method[payments.AuthorizeRequest, payments.Payment]{Module: payments.Name, Name: "Authorize", Idempotent: true, Timeout: patience}
	capture     = rpc.Method[payments.CaptureRequest, payments.Payment]{Module: payments.Name, Name: "Capture", Idempotent: true, Timeout: patience}
	cancel      = rpc.Method[payments.CancelRequest, payments.Payment]{Module: payments.Name, Name: "Cancel", Idempotent: true, Timeout: patience}
	refund      = rpc.Method[payments.RefundRequest, payments.Refund]{Module: payments.Name, Name: "Refund", Idempotent: true, Timeout: patience}
	getPayment  = rpc.Method[payments.GetPaymentRequest, payments.Payment]{Module: payments.Name, Name: "GetPayment", Idempotent: true}
)

type client struct{ rpc *rpc.Client }

// NewClient gives the payments that run elsewhere.
func NewClient(c *rpc.Client) payments.Service { return client{c} }

func (c client) CheckMethod(ctx context.Context, r payments.CheckMethodRequest) error {
	_, err := checkMethod.Call(ctx, c.rpc, r)
	return err
}

func (c client) Authorize(ctx context.Context, r payments.AuthorizeRequest) (payments.Payment, error) {
	return authorize.Call(ctx, c.rpc, r)
}

func (c client) Capture(ctx context.Context, r payments.CaptureRequest) (payments.Payment, error) {
	return capture.Call(ctx, c.rpc, r)
}

func (c client) Cancel(ctx context.Context, r payments.CancelRequest) (payments.Payment, error) {
	return cancel.Call(ctx, c.rpc, r)
}

func (c client) Refund(ctx context.Context, r payments.RefundRequest) (payments.Refund, error) {
	return refund.Call(ctx, c.rpc, r)
}

func (c client) GetPayment(ctx context.Context, r payments.GetPaymentRequest) (payments.Payment, error) {
	return getPayment.Call(ctx, c.rpc, r)
}

// Serve answers those who have a client.
func Serve(s *rpc.Server, service payments.Service) {
	checkMethod.Handle(s, rpc.NoAnswer(service.CheckMethod))
	authorize.Handle(s, service.Authorize)
	capture.Handle(s, service.Capture)
	cancel.Handle(s, service.Cancel)
	refund.Handle(s, service.Refund)
	getPayment.Handle(s, service.GetPayment)
}

// ServeWith gives a Serve for a provider that may take so long to answer;
// clients hear of it by the directory.
func ServeWith(providerTimeout time.Duration) func(s *rpc.Server, service payments.Service) {
	return func(s *rpc.Server, service payments.Service) {
		Serve(s, service)
		for _, name := range []string{authorize.Name, capture.Name, cancel.Name, refund.Name} {
			s.SetTimeout(payments.Name, name, providerTimeout+margin)
		}
	}
}
