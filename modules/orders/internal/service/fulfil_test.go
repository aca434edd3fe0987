package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/service"
	"stoa/modules/payments"
	"stoa/platform/auth"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
	"stoa/platform/saga"
)

func (s *shop) cancel(by auth.Identity, id string) error {
	_, err := s.CancelOrder(s.t.Context(), by, id, "changed my mind", nil)
	return err
}

func (s *shop) ship(id string) error {
	_, err := s.ShipOrder(s.t.Context(), id, "Royal Mail", "AB123", nil)
	return err
}

func TestACancelledOrderGivesEverythingBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		o := s.buy("tok_approve", "lamp")
		canceled, err := s.CancelOrder(t.Context(), ada, o.ID, "  changed my mind ", nil)
		require.NoError(t, err)
		require.Equal(t, orders.StatusCanceled, canceled.Status)
		require.Equal(t, &orders.Failure{Code: "orders.canceled", Message: "changed my mind"}, canceled.Failure)
		require.Equal(t, &home, canceled.ShippingAddress)
		synctest.Wait()
		require.True(t, strings.HasPrefix(s.steps(o.ID), wentWell+" order_canceled "))
		require.ElementsMatch(t, []string{"stock_released", "payment_refunded"}, strings.Fields(s.steps(o.ID))[7:])
		require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"))
		require.Equal(t, "refunded 500-500", s.money(o.ID))
		require.Equal(t, orders.PaymentSummary{Status: "refunded", Captured: usd(500), Refunded: usd(500)}, s.order(o.ID).Payment)

		require.ErrorIs(t, s.cancel(ada, o.ID), orders.ErrInvalidTransition, "that is done")
		require.ErrorIs(t, s.ship(o.ID), orders.ErrInvalidTransition)
	})
}

// TestACancellationThatComesAnywhere cancels an order before and after each
// thing its checkout does.
func TestACancellationThatComesAnywhereGivesEverythingBackOnce(t *testing.T) {
	for _, token := range []string{"tok_approve", "tok_decline"} {
		t.Run(token, func(t *testing.T) {
			for n, more := 0, true; more; n++ {
				t.Run(fmt.Sprintf("at %d", n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newShop(t)
						s.sell("lamp", usd(500), 5)
						here, goOn := make(chan struct{}), make(chan struct{})
						points := 0
						s.trace = func(saga.Point) {
							if points++; points == n {
								close(here)
								<-goOn
							}
						}
						s.open()
						r := ask(token, "lamp")
						r.Wait = 0
						if n == 0 { // before anything
							s.catalog.Before(func(_ context.Context, method string) error {
								if method == "Reserve" {
									<-goOn
								}
								return nil
							})
						}
						o, err := s.PlaceOrder(t.Context(), r)
						require.NoError(t, err)
						synctest.Wait()
						if n > 0 {
							select {
							case <-here:
							default:
								more = false // there are fewer points
							}
						}
						err = s.cancel(ada, o.ID)
						close(goOn)
						pass(t, time.Second)

						s.quiet()
						now := s.order(o.ID)
						if err != nil { // it was settled before
							require.ErrorIs(t, err, orders.ErrInvalidTransition)
							require.Equal(t, orders.StatusRejected, now.Status)
						} else {
							require.Equal(t, orders.StatusCanceled, now.Status)
						}
						steps := s.steps(o.ID)
						for _, once := range []string{"stock_released", "payment_voided", "payment_refunded", "order_canceled", "order_rejected", "order_confirmed"} {
							require.LessOrEqual(t, strings.Count(steps, once), 1, steps)
						}
						require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"), steps)
						money := s.money(o.ID)
						switch now.Payment.Status {
						case "none":
							require.Contains(t, []string{"none", "none 0-0"}, money)
						case "voided":
							require.Equal(t, "voided 0-0", money)
						default:
							require.Equal(t, "refunded 500-500", money)
							require.Equal(t, orders.PaymentSummary{Status: "refunded", Captured: usd(500), Refunded: usd(500)}, now.Payment)
						}
					})
				})
			}
		})
	}
}

func TestCancellingRacesShipping(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 100)
		s.open()
		for range 10 {
			o := s.buy("tok_approve", "lamp")
			var canceled, shipped error
			var racing sync.WaitGroup
			racing.Go(func() { canceled = s.cancel(ada, o.ID) })
			racing.Go(func() { shipped = s.ship(o.ID) })
			racing.Wait()
			synctest.Wait()
			require.True(t, (canceled == nil) != (shipped == nil), "one of them wins: %v, %v", canceled, shipped)
			require.ErrorIs(t, errors.Join(canceled, shipped), orders.ErrInvalidTransition)
			now := s.order(o.ID)
			if canceled == nil {
				require.Equal(t, "refunded 500-500", s.money(o.ID))
				require.Equal(t, orders.StatusCanceled, now.Status)
			} else {
				require.Equal(t, "captured 500-0", s.money(o.ID))
				require.Equal(t, orders.StatusShipped, now.Status)
			}
		}
	})
}

func TestWhatMayFollowWhat(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 100)
		goOn := make(chan struct{})
		s.open()
		make := map[string]func() orders.Order{
			"pending": func() orders.Order {
				s.catalog.Before(func(_ context.Context, method string) error {
					if method == "Reserve" {
						<-goOn
					}
					return nil
				})
				r := ask("tok_approve", "lamp")
				r.Wait = 0
				o, err := s.PlaceOrder(t.Context(), r)
				require.NoError(t, err)
				synctest.Wait()
				s.catalog.Before(nil)
				return o
			},
			"confirmed": func() orders.Order { return s.buy("tok_approve", "lamp") },
			"rejected":  func() orders.Order { return s.buy("tok_decline", "lamp") },
			"canceled": func() orders.Order {
				o := s.buy("tok_approve", "lamp")
				require.NoError(t, s.cancel(ada, o.ID))
				return o
			},
			"shipped": func() orders.Order {
				o := s.buy("tok_approve", "lamp")
				require.NoError(t, s.ship(o.ID))
				return o
			},
			"delivered": func() orders.Order {
				o := s.buy("tok_approve", "lamp")
				require.NoError(t, s.ship(o.ID))
				_, err := s.DeliverOrder(t.Context(), staff, o.ID, nil)
				require.NoError(t, err)
				return o
			},
		}
		may := map[string]string{"pending": "cancel", "confirmed": "cancel ship", "shipped": "deliver"}
		do := map[string]func(id string) error{
			"cancel": func(id string) error { return s.cancel(staff, id) },
			"ship":   s.ship,
			"deliver": func(id string) error {
				_, err := s.DeliverOrder(t.Context(), staff, id, nil)
				return err
			},
		}
		for state, order := range make {
			for action, try := range do {
				o := order()
				require.Equal(t, state, s.order(o.ID).Status)
				err := try(o.ID)
				if strings.Contains(may[state], action) {
					require.NoError(t, err, "%s when %s", action, state)
					continue
				}
				require.ErrorIs(t, err, orders.ErrInvalidTransition, "%s when %s", action, state)
				require.Equal(t, state, s.order(o.ID).Status)
			}
		}
		close(goOn)
		synctest.Wait()
	})
}

func TestOthersOrdersDoNotExist(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		o := s.buy("tok_approve", "lamp")
		for _, id := range []string{o.ID, "0193f3a0-0000-7000-8000-000000000000", ""} {
			_, err := s.ReadOrder(t.Context(), bob, id, service.Expand{})
			require.ErrorIs(t, err, orders.ErrOrderNotFound)
			_, err = s.History(t.Context(), bob, id)
			require.ErrorIs(t, err, orders.ErrOrderNotFound)
			require.ErrorIs(t, s.cancel(bob, id), orders.ErrOrderNotFound)
		}
		require.Equal(t, orders.StatusConfirmed, s.order(o.ID).Status)
	})
}

func TestAChangeMadeOfAnOlderVersionIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		o := s.buy("tok_approve", "lamp")
		stale := errors.New("stale")
		match := func(version int64) error {
			if version != o.Version-1 {
				return stale
			}
			return nil
		}
		_, err := s.CancelOrder(t.Context(), ada, o.ID, "", match)
		require.ErrorIs(t, err, stale)
		_, err = s.ShipOrder(t.Context(), o.ID, "Royal Mail", "", match)
		require.ErrorIs(t, err, stale)
		_, err = s.DeliverOrder(t.Context(), staff, o.ID, match)
		require.ErrorIs(t, err, stale)
		_, err = s.RefundOrder(t.Context(), o.ID, usd(1), "", match)
		require.ErrorIs(t, err, stale)
		require.Equal(t, o, s.order(o.ID))
	})
}

func TestAShipmentIsWhatWasSaid(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		o := s.buy("tok_approve", "lamp")
		_, err := s.ShipOrder(t.Context(), o.ID, " \t", "x\ny", nil)
		require.ErrorIs(t, err, errs.ErrInvalid)
		shipment, err := s.ShipOrder(t.Context(), o.ID, " Royal Mail ", "AB123", nil)
		require.NoError(t, err)
		require.Equal(t, orders.Shipment{
			ID: shipment.ID, OrderID: o.ID, Carrier: "Royal Mail", TrackingNumber: "AB123", CreatedAt: s.order(o.ID).UpdatedAt,
		}, shipment)
	})
}

// keyed runs a request with an idempotency key as the server does.
func (s *shop) keyed(key string, run func(ctx context.Context) (string, error)) (body string, replayed bool, err error) {
	store := idempotency.New(s.db, s.Clock)
	resp, replayed, err := store.Do(s.t.Context(), idempotency.Request{Caller: ada.UserID, Key: key},
		func(ctx context.Context) (idempotency.Response, error) {
			body, err := run(ctx)
			return idempotency.Response{Status: 201, Body: []byte(body)}, err
		})
	return string(resp.Body), replayed, err
}

var errCrash = errors.New("the process is gone")

// TestARequestThatIsCutShort has the process die between the effect of a
// request with a key and its answer, and the request come again.
func TestARequestThatIsCutShortTakesEffectOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 50)
		s.open()
		confirmed := s.buy("tok_approve", "lamp")
		refunded := s.buy("tok_approve", "lamp")
		canceled := s.buy("tok_approve", "lamp")
		requests := []struct {
			name string
			run  func(ctx context.Context) (string, error)
		}{
			{"place", func(ctx context.Context) (string, error) {
				o, err := s.PlaceOrder(ctx, ask("tok_approve", "lamp"))
				return o.ID, err
			}},
			{"cart", func(ctx context.Context) (string, error) {
				c, err := s.CreateCart(ctx, ada, "")
				return c.ID, err
			}},
			{"ship", func(ctx context.Context) (string, error) {
				shipment, err := s.ShipOrder(ctx, confirmed.ID, "Royal Mail", "AB123", nil)
				return fmt.Sprint(shipment), err
			}},
			{"deliver", func(ctx context.Context) (string, error) {
				o, err := s.DeliverOrder(ctx, staff, confirmed.ID, nil)
				return o.Status, err
			}},
			{"cancel", func(ctx context.Context) (string, error) {
				o, err := s.CancelOrder(ctx, ada, canceled.ID, "", nil)
				return o.Status, err
			}},
			{"refund", func(ctx context.Context) (string, error) {
				r, err := s.RefundOrder(ctx, refunded.ID, usd(100), "a scratch", nil)
				return fmt.Sprint(r), err
			}},
		}
		for _, r := range requests {
			var first string
			_, _, err := s.keyed(r.name, func(ctx context.Context) (string, error) {
				body, err := r.run(ctx)
				require.NoError(t, err, r.name)
				first = body
				return "", errCrash
			})
			require.ErrorIs(t, err, errCrash)
			for range 2 {
				again, replayed, err := s.keyed(r.name, r.run)
				require.NoError(t, err, r.name)
				require.True(t, replayed)
				require.Equal(t, first, again, r.name)
			}
		}
		require.Equal(t, "partially_refunded 500-100", s.money(refunded.ID))
		list, _, err := s.ListOrders(t.Context(), everyOrder)
		require.NoError(t, err)
		require.Len(t, list, 4)
	})
}

func TestRefunds(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		o := s.buy("tok_approve", "lamp")
		r, err := s.RefundOrder(t.Context(), o.ID, usd(200), "a scratch", nil)
		require.NoError(t, err)
		require.Equal(t, payments.Refund{ID: r.ID, OrderID: o.ID, Amount: usd(200), Reason: "a scratch", CreatedAt: r.CreatedAt}, r)
		require.Equal(t, orders.PaymentSummary{Status: "partially_refunded", Captured: usd(500), Refunded: usd(200)}, s.order(o.ID).Payment,
			"the order shows it at once")
		_, err = s.RefundOrder(t.Context(), o.ID, usd(301), "", nil)
		require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
		_, err = s.RefundOrder(t.Context(), o.ID, usd(300), "", nil)
		require.NoError(t, err)
		s.sayPayments() // it tells of both, which are known
		synctest.Wait()
		require.Equal(t, orders.PaymentSummary{Status: "refunded", Captured: usd(500), Refunded: usd(500)}, s.order(o.ID).Payment)
		require.Equal(t, wentWell+" payment_refunded payment_refunded", s.steps(o.ID))
		require.Equal(t, orders.StatusConfirmed, s.order(o.ID).Status)

		for _, bad := range []struct {
			amount int64
			in     string
		}{{0, "USD"}, {-1, "USD"}, {1, "EUR"}, {1, ""}} {
			m := usd(bad.amount)
			m.Currency = bad.in
			_, err = s.RefundOrder(t.Context(), o.ID, m, "", nil)
			require.ErrorIs(t, err, errs.ErrInvalid)
		}
		_, err = s.RefundOrder(t.Context(), "0193f3a0-0000-7000-8000-000000000000", usd(1), "", nil)
		require.ErrorIs(t, err, orders.ErrOrderNotFound)
		rejected := s.buy("tok_decline", "lamp")
		_, err = s.RefundOrder(t.Context(), rejected.ID, usd(1), "", nil)
		require.ErrorIs(t, err, payments.ErrRefundExceedsCapture, "nothing was taken")
	})
}

func TestManyRefundsAtOnceGiveBackNoMoreThanThereIs(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(1000), 5)
		s.open()
		o := s.buy("tok_approve", "lamp")
		const many = 50
		outcomes := make(chan error, many)
		for range many {
			go func() {
				_, err := s.RefundOrder(t.Context(), o.ID, usd(100), "", nil)
				outcomes <- err
			}()
		}
		given := 0
		for range many {
			if err := <-outcomes; err == nil {
				given++
			} else {
				require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
			}
		}
		require.Equal(t, 10, given)
		require.Equal(t, usd(1000), s.order(o.ID).Payment.Refunded)
		require.Equal(t, "refunded 1000-1000", s.money(o.ID))
	})
}

func TestARefundThatNobodyNotedIsToldByPayments(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		o := s.buy("tok_approve", "lamp")
		// The process ends after payments has given the money back.
		_, err := s.payments.Refund(t.Context(), payments.RefundRequest{RefundID: s.Clock.ID(), OrderID: o.ID, Amount: usd(100)})
		require.NoError(t, err)
		s.sayPayments()
		synctest.Wait()
		require.Equal(t, orders.PaymentSummary{Status: "partially_refunded", Captured: usd(500), Refunded: usd(100)}, s.order(o.ID).Payment)
	})
}

func TestWhatNeighboursTellOfUnknownOrdersIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.open()
		s.say(payments.Name, "unknown", payments.Voided{OrderID: "unknown", Amount: usd(1)})
		synctest.Wait()
		var waiting int
		require.NoError(t, s.db.Read().QueryRowContext(t.Context(), "SELECT count(*) FROM inbox WHERE state <> 'done'").Scan(&waiting))
		require.Zero(t, waiting)
	})
}
