package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// authorization is what strangers and customers meet at the doors of staff.
func authorization() []promise {
	return []promise{
		{"no spelling of a staff or admin address opens it", spellings},
		{"no header opens it", openingHeaders},
		{"ids of others do not open it", foreignIDs},
	}
}

// door is a call that only staff or admins may make, on something that exists.
type door struct{ method, path, body string }

// doors are all such calls. Were one let through, it would succeed.
func (w *world) doors(t testing.TB) (doors []door, unchanged func(t testing.TB)) {
	t.Helper()
	sku, p := w.sell(t, usd(100), 50)
	o := w.confirmed(t, w.customer, line(sku, 1))
	c := w.category(t, unique("door"), nil)
	victim := w.newcomer(t)
	user, order, product := "/users/"+victim.User.ID, "/orders/"+o.ID, "/products/"+p.ID
	doors = []door{
		{"GET", "/users", ""}, {"GET", user, ""}, {"PATCH", user, `{"roles":["admin"]}`}, {"DELETE", user, ""},
		{"POST", "/products", `{"slug":"door","title":"Door"}`}, {"PATCH", product, `{"title":"Opened"}`}, {"DELETE", product, ""},
		{"POST", product + "/variants", `{"sku":"DOOR-1","price":{"amount":1,"currency":"USD"}}`},
		{"PATCH", product + "/variants/" + sku, `{"price":{"amount":1,"currency":"USD"}}`}, {"DELETE", product + "/variants/" + sku, ""},
		{"POST", "/categories", `{"slug":"door","name":"Door"}`}, {"PATCH", "/categories/" + c.ID, `{"name":"Opened"}`}, {"DELETE", "/categories/" + c.ID, ""},
		{"GET", "/inventory/" + sku, ""}, {"POST", "/inventory/" + sku + "/adjustments", `{"delta":5,"reason":"gift"}`}, {"GET", "/inventory/" + sku + "/movements", ""},
		{"GET", "/catalog/export?format=json", ""}, {"GET", "/payments?order_id=" + o.ID, ""},
		{"POST", order + "/shipments", `{"carrier":"Post","tracking_number":"1"}`}, {"POST", order + "/delivery", `{}`},
		{"POST", order + "/refunds", `{"amount":{"amount":1,"currency":"USD"},"reason":"gift"}`},
	}
	before := []string{
		string(w.staff.Get(t, product).Body), string(w.admin.Get(t, user).Body), string(w.staff.Get(t, order).Body), w.categoriesNow(t)[c.ID].Name,
	}
	return doors, func(t testing.TB) {
		t.Helper()
		after := []string{
			string(w.staff.Get(t, product).Body), string(w.admin.Get(t, user).Body), string(w.staff.Get(t, order).Body), w.categoriesNow(t)[c.ID].Name,
		}
		require.Equal(t, before, after, "nothing changed")
		w.wantStock(t, sku, 49, 0)
		require.Zero(t, w.payment(t, o.ID).Refunded.Amount)
	}
}

// misspelt gives spellings of an address that some servers take for it.
func misspelt(path string) []string {
	head, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	head, query, asked := strings.Cut(head, "?")
	if rest != "" {
		rest = "/" + rest
	}
	if asked {
		rest += "?" + query
	}
	full := base + "/" + head + rest
	return []string{
		full,
		base + "/" + strings.ToUpper(head) + rest,
		strings.ToUpper(base) + "/" + head + rest,
		base + "//" + head + rest,
		"/" + full,
		"/api//v1/" + head + rest,
		base + "/" + head + "/" + rest,
		base + "/" + percent(head) + rest,
		base + "/./" + head + rest,
		base + "/products/../" + head + rest,
		base + "/products/..%2f" + head + rest,
		base + "/" + head + "%00" + rest,
		base + "/" + head + "%2f" + rest,
		base + "/" + head + ";x=1" + rest,
		base + "/" + head + "%20" + rest,
		base + "/" + head + "." + rest,
		"/%61pi/v1/" + head + rest,
		base + "%2f" + head + rest,
		`/api/v1\` + head + rest,
		"http://localhost" + full,
	}
}

// percent writes the first letter as its escape.
func percent(word string) string {
	const hex = "0123456789abcdef"
	return "%" + string(hex[word[0]>>4]) + string(hex[word[0]&15]) + word[1:]
}

func spellings(t *testing.T, w *world) {
	doors, unchanged := w.doors(t)
	closed := []int{400, 401, 403, 404, 405, 415, 422}
	for _, who := range []*Caller{w.anyone, w.customer} {
		for _, d := range doors {
			for i, path := range misspelt(d.path) {
				a := w.ask(t, who, d.method, path, d.body)
				require.Contains(t, closed, a.Status, "%s %s: %s", d.method, path, a)
				if i == 0 {
					want := http.StatusUnauthorized
					if who == w.customer {
						want = http.StatusForbidden
					}
					require.Equal(t, want, a.Status, "%s %s: %s", d.method, path, a)
				}
				a.problem(t)
			}
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "get", "TRACE", "CONNECT", "QUERY"} {
				full := base + d.path
				a := w.ask(t, who, method, full, "")
				if open := (method == "GET" || method == "HEAD") && publicRead(d.path); open {
					continue
				}
				require.NotContains(t, []int{200, 201, 202, 204, 206, 301, 302, 307, 308}, a.Status, "%s %s: %s", method, full, a)
				require.Less(t, a.Status, 502, "%s %s: %s", method, full, a)
			}
		}
	}
	unchanged(t)
}

// publicRead tells whether anybody may read what stands there.
func publicRead(path string) bool {
	return path == "/products" || path == "/categories" || strings.HasPrefix(path, "/products/") && !strings.Contains(path, "/variants")
}

func openingHeaders(t *testing.T, w *world) {
	doors, unchanged := w.doors(t)
	for _, d := range doors {
		for _, lines := range [][]string{
			{"X-HTTP-Method-Override: GET"}, {"X-Original-URL: " + base + "/products"}, {"X-Rewrite-URL: " + base + "/products"}, {"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"},
			{"X-User-ID: " + w.admin.User.ID, "X-User-Roles: admin", "X-Roles: admin", "X-Stoa-Roles: admin"}, {"Forwarded: for=127.0.0.1;by=127.0.0.1"}, {"X-Forwarded-Prefix: /api/v1"},
		} {
			require.Equal(t, http.StatusForbidden, w.ask(t, w.customer, d.method, base+d.path, d.body, lines...).Status, "%s %s with %v", d.method, d.path, lines)
			require.Equal(t, http.StatusUnauthorized, w.ask(t, w.anyone, d.method, base+d.path, d.body, lines...).Status, "%s %s with %v", d.method, d.path, lines)
		}
	}
	unchanged(t)
}

func foreignIDs(t *testing.T, w *world) {
	sku, _ := w.sell(t, usd(100), 5)
	mine := w.confirmed(t, w.customer, line(sku, 1))
	theirs := w.confirmed(t, w.other, line(sku, 1))
	for _, path := range []string{
		"/orders/" + theirs.ID, "/orders/" + theirs.ID + "/events", "/orders/" + mine.ID + "/../" + theirs.ID, "/orders/" + mine.ID + "," + theirs.ID,
		"/orders/" + strings.ToUpper(theirs.ID), "/orders/" + theirs.Number,
	} {
		a := w.ask(t, w.customer, "GET", base+path, "")
		require.Contains(t, []int{400, 404, 422}, a.Status, "%s", a)
	}
	a := w.customer.Get(t, "/orders?user_id="+w.customer.User.ID+"&user_id="+w.other.User.ID)
	if a.Status == http.StatusOK {
		require.NotContains(t, string(a.Body), theirs.ID)
	}
}
