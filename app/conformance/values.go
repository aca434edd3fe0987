package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// values are what strange values meet, wherever they stand.
func values() []promise {
	return []promise{
		{"SQL in a query is text", sqlInQueries},
		{"strange ids are not found", strangeIDs},
		{"no text forges a line of the log", logLines},
	}
}

// strangeTexts are texts that break programs: a few of the suite's own, and the
// big list where TESTDATA_DIR has it.
func strangeTexts(t testing.TB) []string {
	t.Helper()
	own := []string{
		"undefined", "null", "NaN", "-1", "1e1000", "0x0", "' OR 1=1 --", `"; DROP TABLE users; --`, "<script>alert(1)</script>", "${7*7}", "{{7*7}}", "%s%n%x", "../../etc/passwd",
		"\u202eright to left", "Ω≈ç√∫", "田中さんにあげて", "👩‍👩‍👧‍👦", "zero\u200bwidth", "\ufeffmark", "e\u0301 combining", strings.Repeat("A", 1000), "tab\tand\nline", "\x7f", "\u0085", "İi̇ıI", "ﬀ",
		"\x01\x02", "a\x00b", "\\", "`id`", "$(id)", "file:///etc/passwd", "\U0010ffff", " ", "",
	}
	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		return own
	}
	text, err := os.ReadFile(filepath.Join(dir, "blns", "blns.json"))
	require.NoError(t, err)
	var list []string
	require.NoError(t, json.Unmarshal(text, &list))
	return append(own, list...)
}

func sqlInQueries(t *testing.T, w *world) {
	for _, sql := range []string{"'", "''", `"`, "1;--", "1' OR '1'='1", "1) OR (1=1", "x' UNION SELECT id, password FROM users --", "1; ATTACH DATABASE 'x' AS y", "\\", "%", "_", "\x00"} {
		escaped := url.QueryEscape(sql)
		for who, paths := range map[*Caller][]string{
			w.anyone: {"/products?sort=", "/products?cursor=", "/products?currency=", "/products?min_price=", "/products?in_stock=", "/products?limit="},
			w.staff:  {"/orders?status=", "/orders?user_id=", "/orders?placed_after=", "/orders?cursor=", "/payments?order_id=", "/products?status="},
			w.admin:  {"/users?role=", "/users?status=", "/users?cursor="},
		} {
			for _, path := range paths {
				a := who.Get(t, path+escaped)
				a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotFound)
			}
		}
		for _, path := range []string{"/products?q=", "/products?tag=", "/products?vendor=", "/products?sku=", "/products?category="} {
			a := w.anyone.Get(t, path+escaped)
			if a.Status != http.StatusOK {
				a.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
			}
		}
	}
}

func strangeIDs(t *testing.T, w *world) {
	for _, id := range []string{
		"0", "-1", "null", "undefined", "%00", "%27", "1%20OR%201=1", "0193f3a0-0000-7000-8000-00000000000", "0193f3a0-0000-7000-8000-0000000000000", "{0193f3a0-0000-7000-8000-000000000000}",
		"0193F3A0-0000-7000-8000-000000000000", "%e2%80%ae", "%ff%fe", "%0d%0aX-Injected:1", strings.Repeat("9", 2000), "*", "%25", "a%2fb", "NaN",
	} {
		for who, paths := range map[*Caller][]string{
			w.anyone: {"/products/", "/carts/"},
			w.staff:  {"/orders/", "/inventory/", "/catalog/imports/"},
			w.admin:  {"/users/"},
		} {
			for _, path := range paths {
				a := w.ask(t, who, "GET", base+path+id, "")
				a.Refused(t, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusBadRequest)
				require.Empty(t, a.Header.Get("X-Injected"))
			}
		}
	}
}

func logLines(t *testing.T, w *world) {
	mark := unique("forged")
	evil := "x\r\n" + mark + " level=ERROR msg=\"forged\"\n\x1b[31m" + mark + "\x1b[0m\u2028" + mark
	w.anyone.Post(t, "/sessions", fields{"email": evil, "password": evil})
	w.anyone.Post(t, "/users", fields{"email": evil, "password": evil, "name": evil})
	w.anyone.Post(t, "/password-resets", fields{"email": evil})
	w.customer.Patch(t, "/users/me", fields{evil: 1})
	w.anyone.Get(t, "/products/"+url.PathEscape(evil))
	w.anyone.Get(t, "/products?q="+url.QueryEscape(evil))
	w.anyone.Get(t, "/products?"+url.QueryEscape(evil)+"=1")
	w.ask(t, w.anyone, "GET", "/nowhere/%0d%0a"+mark+"%1b[31m", "")
	w.anyone.Get(t, "/products", header("User-Agent", mark+"\x9b31m"), header("X-Request-Id", mark+"\t"))
	w.staff.Post(t, "/catalog/imports?format=shopify", shopifyHeader+"\""+mark+"\n\x1b[31m"+mark+"\",x\n", contentType("text/csv"))

	c := w.newcomer(t)
	c.Patch(t, "/users/me", fields{"name": "x\n" + mark + "\x1b[31m"})
	w.anyone.Post(t, "/password-resets", fields{"email": c.Email}).Want(t, http.StatusAccepted)
	w.mailed(t, c.Email)

	for l := range strings.Lines(w.Output()) {
		require.False(t, strings.HasPrefix(strings.TrimSpace(l), mark), "a line of the log was forged: %q", l)
		require.NotContains(t, l, "\x1b", "the log has escape sequences: %q", l)
		require.NotContains(t, l, "\u2028", "the log has line separators: %q", l)
	}
}
