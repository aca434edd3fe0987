package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shape holds an object to have all of these fields, null or not.
func shape(t testing.TB, object []byte, fields ...string) {
	t.Helper()
	var has map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(object, &has), "%s", object)
	for _, f := range fields {
		require.Contains(t, has, f, "every listed field is always present: %s", object)
	}
}

// part gives a field of an object, as it is written.
func part(t testing.TB, object []byte, field string) json.RawMessage {
	t.Helper()
	var has map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(object, &has), "%s", object)
	require.Contains(t, has, field, "%s", object)
	return has[field]
}

// elements gives the elements of an array, as they are written.
func elements(t testing.TB, array []byte) []json.RawMessage {
	t.Helper()
	var has []json.RawMessage
	require.NoError(t, json.Unmarshal(array, &has), "%s", array)
	require.NotNil(t, has, "a list without elements is [], not null")
	return has
}

// The fields that the API's page lists.
var (
	userFields      = []string{"id", "email", "name", "roles", "status", "created_at", "updated_at"}
	addressFields   = []string{"id", "name", "line1", "line2", "city", "region", "postal_code", "country", "phone", "is_default"}
	categoryFields  = []string{"id", "slug", "name", "parent_id", "path"}
	productFields   = []string{"id", "slug", "title", "description", "status", "vendor", "product_type", "tags", "categories", "images", "options", "variants", "version", "created_at", "updated_at"}
	variantFields   = []string{"id", "sku", "title", "options", "price", "compare_at_price", "barcode", "weight_grams", "position", "stock"}
	importFields    = []string{"id", "status", "rows_total", "rows_done", "products_created", "products_updated", "rows_skipped", "errors"}
	cartFields      = []string{"id", "currency", "items", "subtotal", "expires_at", "version"}
	cartItemFields  = []string{"sku", "product_id", "title", "quantity", "unit_price", "total", "available"}
	orderFields     = []string{"id", "number", "user_id", "status", "currency", "items", "subtotal", "shipping_total", "tax_total", "discount_total", "total", "payment", "shipping_address", "failure", "placed_at", "updated_at", "version"}
	orderItemFields = []string{"sku", "product_id", "title", "unit_price", "quantity", "total"}
	paymentFields   = []string{"id", "order_id", "status", "authorized", "captured", "refunded", "provider", "provider_reference", "attempts"}
	problemFields   = []string{"type", "title", "status", "detail", "instance", "code", "request_id"}
)

var (
	uuidV7   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	uuidV4   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	currency = regexp.MustCompile(`^[A-Z]{3}$`)

	// leaks are signs of the inside in what is told outside.
	leaks = regexp.MustCompile(`(?i)goroutine \d|\.go:\d|panic:|\bselect\b.+\bfrom\b|insert into|sqlite|fiber|fasthttp|huma|postgres|pgx|no such table|/tmp/|/home/|/root/|modernc`)
)

// wellFormed holds an answer to what is true of all: numbers are whole,
// identifiers are UUIDs, times are RFC 3339 in UTC, money is an amount in minor
// units of a currency.
func wellFormed(t testing.TB, a *Answer) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(a.Body))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), "%s", a)
	if strings.HasPrefix(a.Path, base) {
		require.NoError(t, walk("", v), "%s", a)
	}
}

func walk(at string, v any) error {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return fmt.Errorf("%s is %s: numbers are whole", at, v)
		}
	case []any:
		for i, e := range v {
			if err := walk(fmt.Sprintf("%s[%d]", at, i), e); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := walkMoney(at, v); err != nil {
			return err
		}
		for name, e := range v {
			inner := at + "." + name
			if err := walkText(inner, name, e); err != nil {
				return err
			}
			if err := walk(inner, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func walkMoney(at string, object map[string]any) error {
	amount, ok := object["amount"]
	code, both := object["currency"].(string)
	if !ok || !both || len(object) != 2 {
		return nil
	}
	if _, number := amount.(json.Number); !number || !currency.MatchString(code) {
		return fmt.Errorf("%s is no money: %v", at, object)
	}
	return nil
}

func walkText(at, name string, value any) error {
	text, ok := value.(string)
	switch {
	case !ok:
	case strings.HasSuffix(name, "_at") || name == "at":
		if _, err := time.Parse(time.RFC3339Nano, text); err != nil || !strings.HasSuffix(text, "Z") {
			return fmt.Errorf("%s is %q: times are RFC 3339 in UTC", at, text)
		}
	case name == "id" || strings.HasSuffix(name, "_id") && name != "request_id":
		if !uuidV7.MatchString(text) && !uuidV4.MatchString(text) {
			return fmt.Errorf("%s is %q: identifiers are UUIDs", at, text)
		}
	}
	return nil
}

// problem holds an answer to be a whole problem that tells nothing of the inside.
func (a *Answer) problem(t testing.TB) Problem {
	t.Helper()
	if a.Method == http.MethodHead {
		return Problem{Status: a.Status}
	}
	require.Equal(t, "application/problem+json", strings.Split(a.Header.Get("Content-Type"), ";")[0], "%s", a)
	shape(t, a.Body, problemFields...)
	p := decode[Problem](t, a)
	require.Equal(t, a.Status, p.Status, "%s", a)
	require.NotEmpty(t, p.Type, "type of %s", a)
	require.NotEmpty(t, p.Title, "title of %s", a)
	require.NotEmpty(t, p.Code, "code of %s", a)
	require.NotEmpty(t, p.Instance, "instance of %s", a)
	require.Regexp(t, `^[a-z0-9_]+(\.[a-z0-9_]+)*$`, p.Code, "%s", a)
	if a.Header.Get("Idempotent-Replayed") == "" { // else it names the first request
		require.Equal(t, a.Header.Get("X-Request-Id"), p.RequestID, "%s", a)
	}
	for _, e := range p.Errors {
		require.NotEmpty(t, e.Location, "%s", a)
		require.NotEmpty(t, e.Message, "%s", a)
	}
	p.leaksNothing(t, a)
	if a.Status == 401 {
		require.NotEmpty(t, a.Header.Get("WWW-Authenticate"), "%s", a)
	}
	return p
}

// leaksNothing looks for the inside in all that a problem says of its own. The
// instance and the names of fields are the caller's.
func (p Problem) leaksNothing(t testing.TB, a *Answer) {
	t.Helper()
	text := p.Type + "\n" + p.Title + "\n" + p.Detail + "\n" + p.Code
	for _, e := range p.Errors {
		text += "\n" + e.Message
	}
	require.NotRegexp(t, leaks, text, "%s", a)
}
