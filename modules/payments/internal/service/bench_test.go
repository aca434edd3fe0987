package service_test

import (
	"context"
	"testing"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/platform/clock"
)

// BenchmarkAuthorizeAndCapture is what a checkout asks of payments, from many
// callers at once.
func BenchmarkAuthorizeAndCapture(b *testing.B) {
	for name, p := range map[string]func(c clock.Clock) provider.Provider{
		"sandbox": func(c clock.Clock) provider.Provider { return provider.NewSandbox(c) },
		"outside": func(c clock.Clock) provider.Provider { return newBank(provider.NewSandbox(c)) },
	} {
		b.Run(name, func(b *testing.B) {
			s := openShop(b, clock.System())
			service := s.instance(p(s.clock))
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					order := s.clock.ID()
					if _, err := service.Authorize(context.Background(), ask(order, 1999, "tok_approve")); err != nil {
						b.Fatal(err)
					}
					if _, err := service.Capture(context.Background(), payments.CaptureRequest{OrderID: order}); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}
