package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lists are what every list promises.
func lists() []promise {
	return []promise{
		{"a limit out of range is refused", limitsOutOfRange},
		{"pages follow each other without gap or repetition", pagesFollow},
		{"pages are stable while others insert", pagesAreStable},
		{"a cursor that was tampered with is refused", tamperedCursors},
		{"a cursor leads nowhere in another list", foreignCursors},
		{"an empty list is a list", emptyLists},
	}
}

// listing is a list that somebody may read.
type listing struct {
	who  *Caller
	path string
}

// listings are the lists of the API.
func (w *world) listings(t testing.TB) []listing {
	sku, _ := w.sell(t, usd(100), 1)
	return []listing{
		{w.anyone, "/products"}, {w.staff, "/products"}, {w.anyone, "/categories"}, {w.admin, "/users"},
		{w.customer, "/orders"}, {w.staff, "/orders"}, {w.staff, "/inventory/" + sku + "/movements"}, {w.customer, "/users/me/addresses"},
	}
}

func limitsOutOfRange(t *testing.T, w *world) {
	for _, l := range w.listings(t) {
		for _, bad := range []string{"0", "-1", "201", "1000000000", "9223372036854775808", "1.5", "ten"} {
			l.who.Get(t, l.path+"?limit="+url.QueryEscape(bad)).Refused(t, http.StatusUnprocessableEntity)
		}
		for _, good := range []string{"1", "200"} {
			l.who.Get(t, l.path+"?limit="+good).Want(t, http.StatusOK)
		}
	}
}

func pagesFollow(t *testing.T, w *world) {
	vendor := unique("vendor")
	made := map[string]bool{}
	for range 23 {
		body := productBody(unique("paged"), usd(100))
		body["vendor"] = vendor
		made[w.create(t, body).ID] = true
	}
	require.Len(t, get[List[Product]](t, w.anyone, "/products?vendor="+vendor).Items, 20, "the default limit")
	for _, sort := range []string{"created_at", "-created_at", "price", "-price", "title"} {
		seen := map[string]bool{}
		path := "/products?limit=5&vendor=" + vendor + "&sort=" + sort
		cursor := ""
		for pages := 1; ; pages++ {
			page := get[List[Product]](t, w.anyone, path+cursor)
			for _, p := range page.Items {
				require.False(t, seen[p.ID], "sort=%s gives %s twice", sort, p.Slug)
				seen[p.ID] = true
			}
			if page.NextCursor == "" {
				require.Equal(t, 5, pages)
				break
			}
			require.Len(t, page.Items, 5)
			cursor = "&cursor=" + url.QueryEscape(page.NextCursor)
		}
		require.Equal(t, made, seen, "sort=%s", sort)
	}
	whole := w.anyone.Get(t, "/products?limit=23&vendor="+vendor).Want(t, http.StatusOK)
	require.NotContains(t, string(whole.Body), "next_cursor", "the last page has no next_cursor")
}

func pagesAreStable(t *testing.T, w *world) {
	vendor := unique("vendor")
	create := func(i int) string {
		body := productBody(fmt.Sprintf("%s-%02d", unique("stable"), i), usd(int64(100+i%3)))
		body["vendor"] = vendor
		return w.create(t, body).ID
	}
	before := map[string]int{}
	for i := range 20 {
		before[create(i)] = 0
	}
	for _, sort := range []string{"created_at", "-created_at", "price", "-price", "title"} {
		seen := map[string]int{}
		cursor := ""
		for {
			page := get[List[Product]](t, w.anyone, "/products?limit=3&vendor="+vendor+"&sort="+sort+cursor)
			for _, p := range page.Items {
				seen[p.ID]++
				require.Equal(t, 1, seen[p.ID], "sort=%s gives %s twice", sort, p.Slug)
			}
			if page.NextCursor == "" {
				break
			}
			cursor = "&cursor=" + url.QueryEscape(page.NextCursor)
			if len(seen) < 12 {
				create(len(seen))
			}
		}
		for id := range before {
			require.Equal(t, 1, seen[id], "sort=%s leaves out what was there all along", sort)
		}
	}
}

// nextCursor gives a cursor of a list of products.
func (w *world) nextCursor(t testing.TB, query string) string {
	t.Helper()
	w.sell(t, usd(100), 0)
	w.sell(t, usd(100), 0)
	page := get[List[Product]](t, w.anyone, "/products?limit=1"+query)
	require.NotEmpty(t, page.NextCursor)
	return page.NextCursor
}

func tamperedCursors(t *testing.T, w *world) {
	good := w.nextCursor(t, "")
	bad := []string{"nonsense", "0", "-1", "'; DROP TABLE products; --", "AAAA", "%00", strings.Repeat("A", 100_000), good + "A", good[1:], good[:len(good)-2]}
	for i := 0; i < len(good); i += max(1, len(good)/40) {
		other := byte('A')
		if good[i] == 'A' {
			other = 'B'
		}
		bad = append(bad, good[:i]+string(other)+good[i+1:])
	}
	for _, cursor := range bad {
		w.anyone.Get(t, "/products?limit=1&cursor="+url.QueryEscape(cursor)).
			Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge)
	}
	w.anyone.Get(t, "/products?limit=1&cursor="+url.QueryEscape(good)).Want(t, http.StatusOK)
}

func foreignCursors(t *testing.T, w *world) {
	cursor := url.QueryEscape(w.nextCursor(t, ""))
	for _, l := range []listing{
		{w.admin, "/users?limit=1"}, {w.staff, "/orders?limit=1"},
		{w.anyone, "/products?limit=1&sort=price"}, {w.anyone, "/products?limit=1&vendor=Vendor"}, {w.anyone, "/products?limit=1&in_stock=true"},
	} {
		l.who.Get(t, l.path+"&cursor="+cursor).Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity)
	}
	// Another limit reads on in the same list.
	w.anyone.Get(t, "/products?limit=2&cursor="+cursor).Want(t, http.StatusOK)
}

func emptyLists(t *testing.T, w *world) {
	c := w.newcomer(t)
	for _, l := range []listing{{w.anyone, "/products?vendor=nobody"}, {c, "/orders"}, {c, "/users/me/addresses"}, {w.admin, "/users?q=" + unique("nobody")}} {
		a := l.who.Get(t, l.path).Want(t, http.StatusOK)
		require.Empty(t, elements(t, part(t, a.Body, "items")))
		require.NotContains(t, string(a.Body), "next_cursor")
	}
}
