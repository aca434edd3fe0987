package conformance

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// demo is what `stoa serve --demo` promises.
func demo() []promise {
	return []promise{
		{"the demo shop says where to look and how to sign in", demoShop},
	}
}

var emails = regexp.MustCompile(`[A-Za-z0-9._-]+@[A-Za-z0-9.-]+[A-Za-z]`)

// printedAccounts gives who can sign in with what a shop has printed: of each
// address in it, with each word near it.
func (w *world) printedAccounts(t testing.TB, printed string) []*Caller {
	t.Helper()
	lines := strings.Split(printed, "\n")
	tried, found := map[string]bool{}, []*Caller{}
	for i, l := range lines {
		for _, email := range emails.FindAllString(l, -1) {
			if tried[email] {
				continue
			}
			tried[email] = true
			near := strings.Join(lines[i:min(i+3, len(lines))], " ")
			for _, word := range strings.FieldsFunc(near, func(r rune) bool { return strings.ContainsRune(" \t,;|\"'`()", r) }) {
				a := w.anyone.Post(t, "/sessions", fields{"email": email, "password": word})
				if a.Status == http.StatusCreated {
					found = append(found, w.session(decode[Session](t, a)))
					break
				}
			}
		}
	}
	return found
}

func demoShop(t *testing.T, shared *world) {
	w := &world{topology: shared.topology, client: newClient()}
	t.Cleanup(w.client.CloseIdleConnections)
	w.Shop = shared.topology.Start(t, t.TempDir(), "--demo", "ratelimit.enabled=false")
	w.anyone = &Caller{url: w.URL(), client: w.client}
	eventually(t, checkoutTimeout, "it says how to sign in", func() error {
		if len(emails.FindAllString(w.Output(), -1)) < 2 {
			return fmt.Errorf("it printed %q", w.Output())
		}
		return nil
	})
	printed := w.Output()
	require.Contains(t, printed, w.URL())
	require.Contains(t, printed, w.URL()+"/docs")

	goods := all[Product](t, w.anyone, "/products", nil)
	require.GreaterOrEqual(t, len(goods), 5, "the demo catalogue")
	require.NotEmpty(t, all[Category](t, w.anyone, "/categories", nil))
	people := w.printedAccounts(t, printed)
	require.Len(t, people, 2, "two accounts:\n%s", printed)
	admins := 0
	for _, p := range people {
		if strings.Contains(strings.Join(p.User.Roles, " "), "admin") {
			admins++
			w.staff, w.admin = p, p
			p.Get(t, "/users").Want(t, http.StatusOK)
		} else {
			w.customer = p
		}
	}
	require.Equal(t, 1, admins)
	for _, p := range goods {
		if v := p.Variants[0]; v.Stock.Available > 0 {
			require.Equal(t, "confirmed", w.buy(t, w.customer, "tok_approve", line(v.SKU, 1)).Status)
			break
		}
	}

	// What was filled once stays as it is.
	w.Stop(t)
	w.Restart(t)
	require.Len(t, all[Product](t, w.anyone, "/products", nil), len(goods))
	require.Len(t, all[Order](t, w.customer, "/orders", nil), 1)
	require.NotRegexp(t, faults, w.Output())
}
