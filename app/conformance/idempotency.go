package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// idempotency is what an Idempotency-Key promises.
func idempotency() []promise {
	return []promise{
		{"the same key and body give the first answer again", replays},
		{"another body for the same key is refused", reusesKey},
		{"a key that still runs is refused", keyInProgress},
		{"many with the same key at once make one order", sameKeyAtOnce},
		{"keys are per caller", keysPerCaller},
		{"keys are per path", keysPerPath},
		{"what was not judged by the operation binds no key", keyNotBound},
		{"bad keys are refused", badKeys},
	}
}

func replays(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	k, body := unique("key"), orderBody("tok_approve", line(sku, 1))
	first := w.customer.Post(t, "/orders", body, key(k), wait(30)).Want(t, http.StatusCreated)
	for _, with := range [][]With{{}, {wait(1)}, {wait(30)}} {
		w.wantReplayed(t, first, w.customer.Post(t, "/orders", body, append(with, key(k))...))
	}
	// Without a key it is another order.
	other := w.customer.Post(t, "/orders", body, wait(30)).Want(t, http.StatusCreated)
	require.NotEqual(t, decode[Order](t, first).ID, decode[Order](t, other).ID)
	w.settled(t, sku, 3, 0)

	refusal := w.customer.Post(t, "/orders", orderBody("tok_nonsense", line(sku, 1)), key(k+"-2")).Refused(t, http.StatusUnprocessableEntity)
	again := w.customer.Post(t, "/orders", orderBody("tok_nonsense", line(sku, 1)), key(k+"-2")).Refused(t, http.StatusUnprocessableEntity)
	require.Equal(t, refusal.Code, again.Code)
}

func reusesKey(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	k := unique("key")
	w.customer.Post(t, "/orders", orderBody("tok_approve", line(sku, 1)), key(k), wait(30)).Want(t, http.StatusCreated)
	w.customer.Post(t, "/orders", orderBody("tok_approve", line(sku, 2)), key(k)).Problem(t, http.StatusUnprocessableEntity, "idempotency.key_reused")
	w.settled(t, sku, 4, 0)
}

func keyInProgress(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	c, k, body := w.newcomer(t), unique("key"), orderBody("tok_slow", line(sku, 1))
	first := make(chan *Answer, 1)
	go func() {
		first <- c.Try(t.Context(), http.MethodPost, base+"/orders", body, key(k), wait(30))
	}()
	eventually(t, checkoutTimeout, "the first is under way", func() error {
		if len(get[List[Order]](t, c, "/orders").Items) == 0 {
			return errNotYet
		}
		return nil
	})
	c.Post(t, "/orders", body, key(k)).Problem(t, http.StatusConflict, "idempotency.in_progress")
	c.Post(t, "/orders", orderBody("tok_slow", line(sku, 2)), key(k)).Refused(t, http.StatusUnprocessableEntity, http.StatusConflict)
	a := <-first
	a.Want(t, http.StatusCreated)
	w.wantReplayed(t, a, c.Post(t, "/orders", body, key(k)))
	w.settled(t, sku, 4, 0)
}

func sameKeyAtOnce(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 50)
	k, body := unique("key"), orderBody("tok_approve", line(sku, 1))
	orders := map[string]bool{}
	for _, a := range together(30, func(int) *Answer {
		return w.customer.Try(t.Context(), http.MethodPost, base+"/orders", body, key(k))
	}) {
		if a.Status == http.StatusCreated {
			orders[decode[Order](t, a).ID] = true
		} else {
			a.Problem(t, http.StatusConflict, "idempotency.in_progress")
		}
	}
	require.Len(t, orders, 1)
	w.settled(t, sku, 49, 0)
}

func keysPerCaller(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	k, body := unique("key"), orderBody("tok_approve", line(sku, 1))
	first := w.customer.Post(t, "/orders", body, key(k), wait(30)).Want(t, http.StatusCreated)
	second := w.other.Post(t, "/orders", body, key(k), wait(30)).Want(t, http.StatusCreated)
	require.Empty(t, second.Header.Get("Idempotent-Replayed"))
	require.NotEqual(t, decode[Order](t, first).ID, decode[Order](t, second).ID)
	require.Equal(t, w.other.User.ID, decode[Order](t, second).UserID)
	// Another session of the same person is the same caller.
	again := w.signIn(t, w.customer.Email, w.customer.Password)
	w.wantReplayed(t, first, again.Post(t, "/orders", body, key(k)))
}

func keysPerPath(t *testing.T, w *world) {
	one, _ := w.sell(t, usd(100), 0)
	two, _ := w.sell(t, usd(100), 0)
	k := unique("key")
	w.staff.Post(t, "/inventory/"+one+"/adjustments", fields{"delta": 1, "reason": "x"}, key(k)).Want(t, http.StatusCreated)
	a := w.staff.Post(t, "/inventory/"+two+"/adjustments", fields{"delta": 1, "reason": "x"}, key(k))
	if a.Status != http.StatusCreated {
		a.Problem(t, http.StatusUnprocessableEntity, "idempotency.key_reused")
		w.wantStock(t, two, 0, 0)
		return
	}
	require.Empty(t, a.Header.Get("Idempotent-Replayed"))
	w.wantStock(t, two, 1, 0)
}

func keyAfterRestart(t *testing.T, w *world) {
	customer := w.newcomer(t)
	sku, _ := w.sell(t, usd(100), 5)
	k, body := unique("key"), orderBody("tok_approve", line(sku, 1))
	first := customer.Post(t, "/orders", body, key(k), wait(30)).Want(t, http.StatusCreated)
	adjustment := w.staff.Post(t, "/inventory/"+sku+"/adjustments", fields{"delta": 1, "reason": "found"}, key(k)).Want(t, http.StatusCreated)
	for _, end := range []func(){func() { w.Kill(t) }, func() { w.Stop(t) }} {
		end()
		w.Restart(t)
		w.wantReplayed(t, first, customer.Post(t, "/orders", body, key(k)))
		w.wantReplayed(t, adjustment, w.staff.Post(t, "/inventory/"+sku+"/adjustments", fields{"delta": 1, "reason": "found"}, key(k)))
		customer.Post(t, "/orders", orderBody("tok_approve", line(sku, 2)), key(k)).Problem(t, http.StatusUnprocessableEntity, "idempotency.key_reused")
	}
	w.settled(t, sku, 5, 0)
}

func keyNotBound(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	k, body := unique("key"), orderBody("tok_approve", line(sku, 1))
	w.anyone.Post(t, "/orders", body, key(k)).Want(t, http.StatusUnauthorized)
	w.customer.Post(t, "/orders", body, key(k), contentType("text/plain")).Want(t, http.StatusUnsupportedMediaType)
	w.customer.Post(t, "/orders", body, key(k), wait(30)).Want(t, http.StatusCreated)
}

func badKeys(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	for _, bad := range []string{strings.Repeat("k", 10_000), "é\x80"} {
		w.customer.Post(t, "/orders", orderBody("tok_approve", line(sku, 1)), key(bad)).Refused(t,
			http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge)
	}
	w.wantStock(t, sku, 5, 0)
}
