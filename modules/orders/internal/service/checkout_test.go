package service_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/payments"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/saga"
)

const wentWell = "order_placed stock_reserved payment_authorized stock_committed payment_captured order_confirmed"

func TestAnOrderThatGoesWell(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(1999), 5)
		s.sell("chair", usd(4500), 5)
		s.open()
		began := time.Now()
		r := ask("tok_approve", "lamp", "chair", "lamp")
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Zero(t, time.Since(began), "it answers as soon as the order is settled")
		require.Equal(t, orders.StatusConfirmed, o.Status)
		require.Equal(t, ada.UserID, o.UserID)
		require.Regexp(t, `^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$`, o.Number)
		require.Equal(t, usd(8498), o.Total)
		require.Equal(t, orders.PaymentSummary{Status: payments.StatusCaptured, Captured: usd(8498), Refunded: usd(0)}, o.Payment)
		require.Equal(t, &home, o.ShippingAddress)
		require.Nil(t, o.Failure)
		require.Len(t, o.Items, 2, "the same sku twice is added up")
		require.EqualValues(t, 2, o.Items[0].Quantity)
		require.Equal(t, usd(3998), o.Items[0].Total)
		require.Equal(t, o, s.order(o.ID))
		require.Equal(t, wentWell, s.steps(o.ID))
		require.EqualValues(t, 6, o.Version)
		require.Equal(t, "3 on hand, 0 reserved", s.stock("lamp"))
		require.Equal(t, "captured 8498-0", s.money(o.ID))
	})
}

func TestEveryTokenHasItsOutcome(t *testing.T) {
	for _, c := range []struct {
		token, status, code, steps, money string
		payment                           string
	}{
		{"tok_approve", "confirmed", "", wentWell, "captured 500-0", "captured"},
		{"tok_slow", "confirmed", "", wentWell, "captured 500-0", "captured"},
		{"tok_flaky", "confirmed", "", wentWell, "captured 500-0", "captured"},
		{"tok_decline", "rejected", "payments.declined", "order_placed stock_reserved stock_released order_rejected", "none 0-0", "none"},
		{"tok_insufficient_funds", "rejected", "payments.insufficient_funds", "order_placed stock_reserved stock_released order_rejected", "none 0-0", "none"},
		{"tok_timeout", "rejected", "orders.checkout_timeout", "order_placed stock_reserved stock_released order_rejected", "none 0-0", "none"},
	} {
		t.Run(c.token, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) {
				s.sell("lamp", usd(500), 5)
				s.open()
				o := s.buy(c.token, "lamp")
				if o.Status == orders.StatusPending { // thirty seconds are not quite enough
					pass(t, time.Second)
					o = s.order(o.ID)
				}
				require.Equal(t, c.status, o.Status)
				require.Equal(t, c.steps, s.steps(o.ID))
				require.Equal(t, c.money, s.money(o.ID))
				require.Equal(t, c.payment, o.Payment.Status)
				if c.code == "" {
					require.Nil(t, o.Failure)
					require.Equal(t, "4 on hand, 0 reserved", s.stock("lamp"))
					return
				}
				require.Equal(t, c.code, o.Failure.Code)
				require.NotEmpty(t, o.Failure.Message)
				require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"))
			})
		})
	}
}

func TestATokenThatIsNotKnownIsRefusedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		_, err := s.PlaceOrder(t.Context(), ask("tok_nonsense", "lamp"))
		require.ErrorIs(t, err, payments.ErrUnknownMethod)
		list, _, err := s.ListOrders(t.Context(), everyOrder)
		require.NoError(t, err)
		require.Empty(t, list)
	})
}

func TestWherePaymentsIsAwayTheCheckoutFindsOut(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		s.payments.FailNext("CheckMethod", errs.ErrUnavailable, errs.ErrUnavailable)
		require.Equal(t, orders.StatusConfirmed, s.buy("tok_approve", "lamp").Status)
		o := s.buy("tok_nonsense", "lamp")
		require.Equal(t, orders.StatusRejected, o.Status)
		require.Equal(t, payments.ErrUnknownMethod.Code, o.Failure.Code)
	})
}

func TestThereIsNotEnoughInStock(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 1)
		s.sell("chair", usd(500), 9)
		s.open()
		r := ask("tok_approve", "chair", "lamp")
		r.Items[1].Quantity = 2
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, orders.StatusRejected, o.Status)
		require.Equal(t, catalog.ErrInsufficientStock.Code, o.Failure.Code)
		require.Equal(t, "order_placed order_rejected", s.steps(o.ID))
		require.Equal(t, "1 on hand, 0 reserved", s.stock("lamp"))
		require.Equal(t, "9 on hand, 0 reserved", s.stock("chair"))
	})
}

func TestOneOfManyBuyersGetsTheLast(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 1)
		s.open()
		const many = 40
		outcomes := make(chan string, many)
		for range many {
			go func() {
				o, err := s.PlaceOrder(t.Context(), ask("tok_approve", "lamp"))
				outcomes <- fmt.Sprint(o.Status, err)
			}()
		}
		count := map[string]int{}
		for range many {
			count[<-outcomes]++
		}
		require.Equal(t, map[string]int{"confirmed<nil>": 1, "rejected<nil>": many - 1}, count)
		require.Equal(t, "0 on hand, 0 reserved", s.stock("lamp"))
	})
}

func TestWhatCannotBeTakenAfterAllIsGivenBack(t *testing.T) {
	for name, c := range map[string]struct {
		fail  func(s *shop)
		code  string
		steps string
		money string
	}{
		"the reservation has expired": {
			func(s *shop) { s.failCatalog("Commit", catalog.ErrReservationClosed) }, catalog.ErrReservationClosed.Code,
			"order_placed stock_reserved payment_authorized payment_voided stock_released order_rejected", "voided 0-0",
		},
		"the authorisation does not hold": {
			func(s *shop) { s.payments.FailNext("Capture", payments.ErrDeclined) }, payments.ErrDeclined.Code,
			"order_placed stock_reserved payment_authorized stock_committed payment_voided stock_released order_rejected", "voided 0-0",
		},
		"a defect in a neighbour": {
			func(s *shop) { s.payments.FailNext("Capture", fmt.Errorf("a defect")) }, errs.ErrInternal.Code,
			"order_placed stock_reserved payment_authorized stock_committed payment_voided stock_released order_rejected", "voided 0-0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) {
				s.sell("lamp", usd(500), 5)
				s.open()
				c.fail(s)
				o := s.buy("tok_approve", "lamp")
				require.Equal(t, orders.StatusRejected, o.Status)
				require.Equal(t, c.code, o.Failure.Code)
				require.Equal(t, c.steps, s.steps(o.ID))
				require.Equal(t, c.money, s.money(o.ID))
				require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"))
				require.Equal(t, payments.StatusVoided, o.Payment.Status)
				// What neighbours publish of it later is known already.
				s.sayPayments()
				s.say(catalog.Name, o.ID, catalog.StockReleased{OrderID: o.ID, Items: []catalog.Item{{SKU: "lamp", Quantity: 1}}})
				synctest.Wait()
				require.Equal(t, c.steps, s.steps(o.ID))
			})
		})
	}
}

// failCatalog has the next call of a method of the catalog fail.
func (s *shop) failCatalog(method string, err error) {
	left := 1
	s.catalog.Before(func(_ context.Context, called string) error {
		if called != method || left == 0 {
			return nil
		}
		left--
		return err
	})
}

func TestANeighbourThatIsAwayIsTriedUntilTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		away := true
		s.catalog.Before(func(_ context.Context, method string) error {
			if away && method == "Commit" {
				return errs.ErrUnavailable
			}
			return nil
		})
		began := time.Now()
		r := ask("tok_approve", "lamp")
		r.Wait = time.Minute
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, orders.ErrCheckoutTimeout.Code, o.Failure.Code)
		require.InDelta(t, 30, time.Since(began).Seconds(), 1)
		require.Equal(t, "voided 0-0", s.money(o.ID))
		require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"))
	})
}

func TestUndoingWaitsForANeighbourThatIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		back := time.Now().Add(10 * time.Minute)
		s.catalog.Before(func(_ context.Context, method string) error {
			if method != "GetOffers" && method != "Reserve" && time.Now().Before(back) {
				return errs.ErrUnavailable
			}
			return nil
		})
		o := s.buy("tok_decline", "lamp")
		require.Equal(t, orders.StatusPending, o.Status)
		pass(t, 9*time.Minute)
		require.Equal(t, orders.StatusPending, s.order(o.ID).Status, "nothing is told to be given back before it is")
		pass(t, 2*time.Minute)
		o = s.order(o.ID)
		require.Equal(t, orders.StatusRejected, o.Status)
		require.Equal(t, payments.ErrDeclined.Code, o.Failure.Code)
		require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"))
	})
}

func TestWhoDoesNotWaitIsAnsweredAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.open()
		goOn := make(chan struct{})
		s.catalog.Before(func(_ context.Context, method string) error {
			if method == "Reserve" {
				<-goOn
			}
			return nil
		})
		began := time.Now()
		r := ask("tok_approve", "lamp")
		r.Wait = 0
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, orders.StatusPending, o.Status)
		require.Zero(t, time.Since(began))

		r.Wait = 3 * time.Second
		o, err = s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, orders.StatusPending, o.Status)
		require.Equal(t, 3*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o, err = s.PlaceOrder(ctx, r)
		require.NoError(t, err, "it was placed, whoever waits")
		require.Equal(t, orders.StatusPending, o.Status)
		require.Equal(t, 4*time.Second, time.Since(began))
		close(goOn)
		synctest.Wait()
		require.Equal(t, orders.StatusConfirmed, s.order(o.ID).Status)
	})
}

func TestWhatAnotherProcessSettlesIsFound(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 5)
		s.start() // here nobody runs checkouts
		began := time.Now()
		placed := make(chan orders.Order, 1)
		here := s.Service
		go func() {
			o, err := here.PlaceOrder(t.Context(), ask("tok_approve", "lamp"))
			if err != nil {
				t.Error(err)
			}
			placed <- o
		}()
		synctest.Wait()
		s.open() // there it takes up what it finds
		o := <-placed
		require.Equal(t, orders.StatusConfirmed, o.Status)
		most := 2 * time.Second
		if s.db.Dialect() == db.Postgres {
			most = 12 * time.Second // the lease of who placed it
		}
		require.LessOrEqual(t, time.Since(began), most)
		require.Equal(t, &home, o.ShippingAddress)
	})
}

// TestACrashAnywhere has the process that checks an order out die after each
// thing it does, one after the other, and another go on.
func TestACrashAnywhereEndsWithAllOrNothing(t *testing.T) {
	for _, c := range []struct{ token, status, steps, stock, money string }{
		{"tok_approve", orders.StatusConfirmed, wentWell, "4 on hand, 0 reserved", "captured 500-0"},
		{"tok_decline", orders.StatusRejected, "order_placed stock_reserved stock_released order_rejected", "5 on hand, 0 reserved", "none 0-0"},
	} {
		t.Run(c.token, func(t *testing.T) {
			for n, more := 1, true; more; n++ {
				t.Run(fmt.Sprintf("crash %d", n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newShop(t)
						s.sell("lamp", usd(500), 5)
						points := 0
						s.trace = func(saga.Point) {
							if points++; points == n {
								runtime.Goexit() // nothing after this happens
							}
						}
						s.open()
						r := ask(c.token, "lamp")
						r.Wait = 0
						o, err := s.PlaceOrder(t.Context(), r)
						require.NoError(t, err)
						synctest.Wait()
						s.stop()
						more = points >= n

						s.trace = nil
						s.open()
						if s.db.Dialect() == db.Postgres {
							pass(t, 12*time.Second) // another process might have it, until its lease is over
						}
						synctest.Wait()
						o = s.order(o.ID)
						require.Equal(t, c.status, o.Status)
						require.Equal(t, c.steps, s.steps(o.ID))
						require.Equal(t, c.stock, s.stock("lamp"))
						require.Equal(t, c.money, s.money(o.ID))
						s.quiet()
					})
				})
			}
		})
	}
}

// TestACrashThatLastsTooLong is as above, but the next process comes after the
// deadline: then everything is given back, whatever had been taken.
func TestACrashThatLastsTooLongGivesEverythingBack(t *testing.T) {
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprintf("crash %d", n), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) {
				s.sell("lamp", usd(500), 5)
				points := 0
				s.trace = func(saga.Point) {
					if points++; points == n {
						runtime.Goexit()
					}
				}
				s.open()
				r := ask("tok_approve", "lamp")
				r.Wait = 0
				o, err := s.PlaceOrder(t.Context(), r)
				require.NoError(t, err)
				synctest.Wait()
				s.stop()
				pass(t, time.Minute)

				s.trace = nil
				s.open()
				synctest.Wait()
				o = s.order(o.ID)
				require.Equal(t, orders.StatusRejected, o.Status)
				require.Equal(t, orders.ErrCheckoutTimeout.Code, o.Failure.Code)
				require.Equal(t, "5 on hand, 0 reserved", s.stock("lamp"))
				require.Equal(t, []string{"none", "voided 0-0", "voided 0-0", "refunded 500-500"}[n-1], s.money(o.ID))
				require.True(t, strings.HasSuffix(s.steps(o.ID), " stock_released order_rejected"), s.steps(o.ID))
				if n == 4 {
					require.Contains(t, s.steps(o.ID), "payment_refunded")
					require.Equal(t, orders.PaymentSummary{Status: payments.StatusRefunded, Captured: usd(500), Refunded: usd(500)}, o.Payment)
				}
			})
		})
	}
}

func TestTheTokenIsKeptNowhere(t *testing.T) {
	for _, token := range []string{"tok_approve", "tok_decline"} {
		t.Run(token, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) {
				s.sell("lamp", usd(500), 5)
				s.open()
				s.buy(token, "lamp")
				synctest.Wait()
				for table, columns := range map[string]string{
					"order_events": "data", "orders": "items || failure_message", "outbox": "event", "inbox": "event", "sagas": "data",
				} {
					var n int
					require.NoError(t, s.db.Read().QueryRowContext(t.Context(),
						"SELECT count(*) FROM "+table+" WHERE "+columns+" LIKE '%tok_%'").Scan(&n))
					require.Zero(t, n, table)
				}
			})
		})
	}
}

// changing has do called once, while the catalog is asked for offers.
func changing(done *bool, do func()) func(context.Context, string) error {
	return func(_ context.Context, method string) error {
		if method == "GetOffers" && !*done {
			*done = true
			do()
		}
		return nil
	}
}
